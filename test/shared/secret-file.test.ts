import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readSecretFile } from '../../shared/node/secret-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-secret-'));
  path = join(folder, 'token');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function write(text: string, mode = 0o600): void {
  writeFileSync(path, text);
  chmodSync(path, mode);
}

describe('a token in a file', () => {
  it.each(['hl_x', 'hl_x\n', 'hl_x\r\n', '\ufeffhl_x\r\n', 'hl_x \n\n', ' hl_x'])('is read from %j', (text) => {
    write(text);
    expect(readSecretFile(path)).toBe('hl_x');
  });

  it.each(['', '\n', '\r\n', ' \r\n ', '\0\0'])('is missed in %j', (text) => {
    write(text);
    expect(() => readSecretFile(path)).toThrow(`${path} is empty`);
  });

  it('is one line and no larger than a token', () => {
    write('hl_x\nhl_y\n');
    expect(() => readSecretFile(path)).toThrow('more than one line');
    write('x'.repeat(5000));
    expect(() => readSecretFile(path)).toThrow('too long');
  });

  it.each([0o644, 0o640, 0o604, 0o620, 0o601])('is refused when others may do anything with it: mode %o', (mode) => {
    write('hl_x', mode);
    expect(() => readSecretFile(path)).toThrow(/open to other users \(mode 0\d+\): close it with chmod 600/);
  });

  it.each([0o600, 0o400])('is taken with mode %o', (mode) => {
    write('hl_x', mode);
    expect(readSecretFile(path)).toBe('hl_x');
  });

  it('is judged at the end of a symbolic link', () => {
    const link = join(folder, 'link');
    symlinkSync('token', link);
    write('hl_x');
    expect(readSecretFile(link)).toBe('hl_x');
    chmodSync(path, 0o644);
    expect(() => readSecretFile(link)).toThrow('open to other users');
    rmSync(path);
    expect(() => readSecretFile(link)).toThrow('is not there');
    symlinkSync('link', path);
    expect(() => readSecretFile(link)).toThrow('in a circle');
  });

  it('is not waited for at a pipe, nor looked for in a folder', () => {
    mkdirSync(path);
    expect(() => readSecretFile(path)).toThrow('is not a file');
    rmSync(path, { recursive: true });
    execFileSync('mkfifo', ['-m', '600', path]);
    expect(() => readSecretFile(path)).toThrow('is not a file');
  });

  it('may be read by an access list where systemd hands it over', () => {
    write('hl_x', 0o440);
    expect(() => readSecretFile(path)).toThrow('open to other users');
    vi.stubEnv('CREDENTIALS_DIRECTORY', folder);
    expect(readSecretFile(path)).toBe('hl_x');
    chmodSync(path, 0o444);
    expect(() => readSecretFile(path)).toThrow('open to other users');
  });

  it.skipIf(process.getuid?.() !== 0)('is refused when it belongs to another user, who could change it', () => {
    write('hl_x');
    chownSync(path, 65534, 65534);
    expect(() => readSecretFile(path)).toThrow('belongs to another user');
  });
});
