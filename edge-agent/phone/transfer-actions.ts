// The phone's file transfers in a session: pending → transferring → completed, cancelled or failed.
import type { FileInfo, PhoneSession } from '../../protocol/phone-model.ts';
import type { Network } from '../upnp/network/network.ts';
import type { PhoneDatabase } from './database.ts';
import { maxFileBytes, type PhoneFiles } from './files.ts';
import type { FileOffer, Line } from './lines/line.ts';
import { refuse } from './refusal.ts';
import type { SessionActions } from './session-actions.ts';
import type { PhoneSessions } from './sessions.ts';

export interface TransferActionsOptions {
  readonly database: PhoneDatabase;
  readonly files: PhoneFiles;
  readonly sessions: PhoneSessions;
  readonly sessionActions: SessionActions;
  readonly line: Line;
  /** Fetches files to send, under the rules against server-side request forgery (Z1–Z5, Z17). */
  readonly network: Network;
  /** The phone's own origins; a file there is read from the store. */
  origins(): readonly string[];
  report(line: string): void;
}

const fetchDeadlineMs = 30_000;
const filesPath = '/files/';
const openStatuses: readonly FileInfo['status'][] = ['pending', 'transferring'];

export class TransferActions {
  readonly #options: TransferActionsOptions;
  readonly #stopping = new AbortController();

  constructor(options: TransferActionsOptions) {
    this.#options = options;
  }

  /** Aborts transfers in flight; their outcome is no longer recorded. */
  stop(): void {
    this.#stopping.abort();
  }

  /**
   * Starts transfers: of offered files by fileId, and of files to send by URL. All are validated before the first begins.
   * Refuses 702, 703, 707 and 708.
   */
  async start(request: readonly FileInfo[]): Promise<void> {
    const { database, files } = this.#options;
    if (request.length === 0) throw refuse('invalid-document');
    const planned = request.map((file) => this.#plan(file));
    const begun = await database.write(() =>
      planned.map((file) => {
        const known = files.find(file.fileId) ?? files.add(file);
        files.move(known.fileId, 'transferring', 0);
        return { ...known, status: 'transferring' as const };
      }),
    );
    for (const file of begun) {
      this.#options.sessionActions.notifyFile(file.sessionId);
      this.#transfer(file).catch((error: unknown) => this.#fail(file, error));
    }
  }

  /** Cancels every unfinished transfer of a session. */
  async cancel(sessionId: string): Promise<void> {
    const { database, files, sessionActions } = this.#options;
    const open = this.list(sessionId).filter((file) => openStatuses.includes(file.status));
    if (open.length === 0) return;
    await database.write(() => {
      for (const file of open) files.move(file.fileId, 'cancelled', file.transferredBytes);
    });
    sessionActions.notifyFile(sessionId);
  }

  list(sessionId: string): FileInfo[] {
    const { files, sessions } = this.#options;
    if (sessions.find(sessionId) === undefined) throw refuse('no-session');
    return files.ofSession(sessionId);
  }

  /** Stores a file offered to us in a session; returns its fileId once on disk. */
  async offered(offer: FileOffer): Promise<string> {
    const { database, files, sessionActions } = this.#options;
    this.#sessionOf(offer.sessionId);
    const added = await database.write(() =>
      files.add({ ...offer, fileId: '', url: '', direction: 'receive', status: 'pending', transferredBytes: 0 }),
    );
    sessionActions.notifyFile(offer.sessionId);
    return added.fileId;
  }

  /** The bytes of a received file by its path on the phone's own server. */
  fileAt(path: string): { contentType: string; body: Uint8Array } | undefined {
    return path.startsWith(filesPath) ? this.#options.files.bytesOf(decodeFileId(path)) : undefined;
  }

  #plan(file: FileInfo): FileInfo {
    const session = this.#sessionOf(file.sessionId);
    if (session.status !== 'Running') throw refuse('wrong-state');
    const known = this.#options.files.find(file.fileId);
    if (known !== undefined) {
      if (known.sessionId !== file.sessionId) throw refuse('no-transfer');
      if (known.status === 'transferring' || known.status === 'completed') throw refuse('wrong-state');
      return known;
    }
    if (file.direction === 'receive') throw refuse('no-transfer');
    if (file.sizeBytes > maxFileBytes) throw refuse('too-large');
    return { ...file, status: 'pending', transferredBytes: 0 };
  }

  #sessionOf(sessionId: string): PhoneSession {
    const session = this.#options.sessions.find(sessionId);
    if (session === undefined) throw refuse('no-session');
    if (session.sessionClass !== 'File-Transfer' && session.sessionClass !== 'Mixed') throw refuse('no-transfer');
    return session;
  }

  async #transfer(file: FileInfo): Promise<void> {
    const { files, line } = this.#options;
    if (file.direction === 'receive') {
      const bytes = await line.fetchFile(file);
      if (bytes.length > maxFileBytes) throw new RangeError('The file is larger than the phone takes.');
      await this.#settle(file, 'completed', bytes.length, () => files.keep(file.fileId, bytes));
      return;
    }
    const bytes = await this.#fetch(file);
    if (this.#stopping.signal.aborted || files.find(file.fileId)?.status !== 'transferring') return;
    await line.sendFile(file, bytes);
    await this.#settle(file, 'completed', bytes.length);
  }

  #fail(file: FileInfo, error: unknown): void {
    if (this.#stopping.signal.aborted) return;
    const { report } = this.#options;
    report(`A file transfer failed: ${error instanceof Error ? error.message : 'no reason given'}`);
    this.#settle(file, 'failed', 0).catch((failure: Error) =>
      report(`Its failure could not be stored: ${failure.message}`),
    );
  }

  /** Records the end of a transfer, unless it was cancelled first. */
  async #settle(file: FileInfo, status: FileInfo['status'], transferredBytes: number, keep?: () => void) {
    const { database, files, sessionActions } = this.#options;
    if (this.#stopping.signal.aborted) return;
    await database.write(() => {
      if (files.find(file.fileId)?.status !== 'transferring') return;
      files.move(file.fileId, status, transferredBytes);
      keep?.();
    });
    sessionActions.notifyFile(file.sessionId);
  }

  async #fetch(file: FileInfo): Promise<Uint8Array> {
    const own = this.#options.origins().find((origin) => file.url.startsWith(`${origin}/`));
    if (own !== undefined) {
      const held = this.fileAt(file.url.slice(own.length));
      if (held === undefined) throw new RangeError('The phone holds no such file.');
      return held.body;
    }
    const answer = await this.#options.network.request({
      method: 'GET',
      url: file.url,
      deadlineMs: fetchDeadlineMs,
      maxBodyBytes: maxFileBytes,
      signal: this.#stopping.signal,
    });
    if (answer.status !== 200 || !answer.complete) throw new RangeError(`The file's server answered ${answer.status}.`);
    return answer.body;
  }
}

/** The URL of a received file as the control point at this origin reaches it; other files are unchanged. */
export function withUrl(file: FileInfo, origin: string): FileInfo {
  const held = file.direction === 'receive' && file.status === 'completed';
  return held ? { ...file, url: `${origin}${filesPath}${encodeURIComponent(file.fileId)}` } : file;
}

function decodeFileId(path: string): string {
  try {
    return decodeURIComponent(path.slice(filesPath.length));
  } catch {
    return '';
  }
}
