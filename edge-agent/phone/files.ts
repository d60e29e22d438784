// The phone's file transfers and the bytes it received. pending → transferring → completed, cancelled or failed.
import type { FileInfo } from '../../protocol/phone-model.ts';
import type { PhoneDatabase } from './database.ts';

/** Cap, because a file is held in memory during its transfer. */
export const maxFileBytes = 8 * 1024 * 1024;

export class PhoneFiles {
  readonly #insert;
  readonly #byId;
  readonly #ofSession;
  readonly #bytes;
  readonly #setStatus;
  readonly #setBytes;
  readonly #failInterrupted;
  readonly #highest;

  constructor(database: PhoneDatabase) {
    this.#insert = database.prepare(
      `INSERT INTO files (file_id, session_id, name, content_type, size_bytes, url, direction, status, transferred_bytes)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const columns = 'file_id, session_id, name, content_type, size_bytes, url, direction, status, transferred_bytes';
    this.#byId = database.prepare(`SELECT ${columns} FROM files WHERE file_id = ?`);
    this.#ofSession = database.prepare(`SELECT ${columns} FROM files WHERE session_id = ? ORDER BY number`);
    this.#bytes = database.prepare('SELECT content_type, bytes FROM files WHERE file_id = ? AND bytes IS NOT NULL');
    this.#setStatus = database.prepare('UPDATE files SET status = ?, transferred_bytes = ? WHERE file_id = ?');
    this.#setBytes = database.prepare('UPDATE files SET bytes = ?, size_bytes = ? WHERE file_id = ?');
    this.#failInterrupted = database.prepare("UPDATE files SET status = 'failed' WHERE status = 'transferring'");
    this.#highest = database.prepare('SELECT coalesce(max(number), 0) AS number FROM files');
  }

  // Call the mutating methods below inside PhoneDatabase.write.

  /** Assigns a fileId when it is empty. */
  add(file: FileInfo): FileInfo {
    const fileId = file.fileId === '' ? this.#freeId() : file.fileId;
    const { sessionId, name, contentType, sizeBytes, url, direction, status, transferredBytes } = file;
    this.#insert.run(fileId, sessionId, name, contentType, sizeBytes, url, direction, status, transferredBytes);
    return { ...file, fileId };
  }

  move(fileId: string, status: FileInfo['status'], transferredBytes: number): void {
    this.#setStatus.run(status, transferredBytes, fileId);
  }

  keep(fileId: string, bytes: Uint8Array): void {
    this.#setBytes.run(bytes, bytes.length, fileId);
  }

  /** Marks transfers that a stop interrupted as failed. */
  failInterrupted(): void {
    this.#failInterrupted.run();
  }

  find(fileId: string): FileInfo | undefined {
    const row = this.#byId.get(fileId);
    return row && fileOf(row);
  }

  ofSession(sessionId: string): FileInfo[] {
    return this.#ofSession.all(sessionId).map(fileOf);
  }

  bytesOf(fileId: string): { contentType: string; body: Uint8Array } | undefined {
    const row = this.#bytes.get(fileId);
    return row && { contentType: String(row.content_type), body: row.bytes as Uint8Array };
  }

  #freeId(): string {
    let number = Number(this.#highest.get()?.number) + 1;
    while (this.find(`f-${number}`) !== undefined) number++;
    return `f-${number}`;
  }
}

function fileOf(row: Record<string, unknown>): FileInfo {
  return {
    fileId: row.file_id,
    sessionId: row.session_id,
    name: row.name,
    contentType: row.content_type,
    sizeBytes: row.size_bytes,
    url: row.url,
    direction: row.direction,
    status: row.status,
    transferredBytes: row.transferred_bytes,
  } as FileInfo;
}
