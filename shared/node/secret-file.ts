// A token in its own file: every user sees a command line, and every child process sees the environment.
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';

/** Far more than any token. Bounded because a wrong path may name a disk image. */
const longestBytes = 4096;
const others = 0o077;
/** systemd lets the service's user read a credential by an access list, whose mask `stat` shows as the group's rights. */
const strangers = 0o007;

/** The message is the end of a sentence about the setting that names the file. */
export class SecretFileFault extends Error {}

/**
 * The file's only line, without its line end. Follows symbolic links (Kubernetes mounts secrets as links). The target
 * must belong to this user or to root, and be closed to everybody else.
 * @throws SecretFileFault
 */
export function readSecretFile(path: string): string {
  let file: number;
  try {
    // Without NONBLOCK, opening a named pipe blocks.
    file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw new SecretFileFault(reasonOf(error, path));
  }
  try {
    checkOwner(file, path);
    const buffer = Buffer.alloc(longestBytes + 1);
    const length = readSync(file, buffer, 0, buffer.length, 0);
    if (length > longestBytes) throw new SecretFileFault(`${path} is too long to be a token`);
    return onlyLine(buffer.toString('utf8', 0, length), path);
  } catch (error) {
    throw error instanceof SecretFileFault ? error : new SecretFileFault(reasonOf(error, path));
  } finally {
    closeSync(file);
  }
}

/** Checks the open file, since the path could be replaced between check and use. */
function checkOwner(file: number, path: string): void {
  const stats = fstatSync(file);
  if (!stats.isFile()) throw new SecretFileFault(`${path} is not a file`);
  // Windows has access lists, which the mode does not show.
  const user = process.getuid?.();
  if (user === undefined) return;
  if ((stats.mode & (isCredential(path) ? strangers : others)) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw new SecretFileFault(`${path} is open to other users (mode ${mode}): close it with chmod 600 ${path}`);
  }
  if (stats.uid !== user && stats.uid !== 0) {
    throw new SecretFileFault(`${path} belongs to another user, who could change the token: make it this user's own`);
  }
}

/** LoadCredential= of systemd: only the service's user can enter this folder. */
function isCredential(path: string): boolean {
  const folder = process.env.CREDENTIALS_DIRECTORY;
  return folder !== undefined && folder !== '' && dirname(realpathSync(path)) === realpathSync(folder);
}

function onlyLine(text: string, path: string): string {
  // Windows editors write a byte order mark and CR LF.
  const [line = '', ...more] = text
    .replace(/^\uFEFF/, '')
    .replace(/[\s\0]+$/, '')
    .split(/\r?\n/);
  if (line === '' && more.length === 0) throw new SecretFileFault(`${path} is empty`);
  if (more.length > 0) throw new SecretFileFault(`${path} holds more than one line: it is to hold the token alone`);
  return line.trim();
}

const reasons = new Map([
  ['ENOENT', 'is not there'],
  ['EACCES', 'cannot be read by this user'],
  ['EPERM', 'cannot be read by this user'],
  ['EISDIR', 'is a folder and not a file'],
  ['ENOTDIR', 'is not there: a part of its path is a file'],
  ['ELOOP', 'is a symbolic link in a circle'],
]);

function reasonOf(error: unknown, path: string): string {
  const { code = 'unknown' } = error as NodeJS.ErrnoException;
  return `${path} ${reasons.get(code) ?? `cannot be read (${code})`}`;
}
