// The phone's SQLite file; each change is durable before it is reported.
import { join } from 'node:path';
import { openSqliteDatabase, type SqliteDatabase } from '../../shared/node/sqlite-database.ts';

/** Append only: released files exist. */
const migrations = [
  `CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE messages (
     number INTEGER PRIMARY KEY AUTOINCREMENT, message_class TEXT NOT NULL, folder TEXT NOT NULL, status TEXT NOT NULL,
     session_id TEXT NOT NULL, time_ms INTEGER NOT NULL, news INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
   CREATE INDEX messages_by_session ON messages (session_id) WHERE session_id <> '';
   CREATE INDEX messages_by_folder ON messages (folder, number);
   CREATE INDEX messages_that_are_news ON messages (number) WHERE news = 1;
   CREATE TABLE sessions (
     number INTEGER PRIMARY KEY AUTOINCREMENT, session_class TEXT NOT NULL, status TEXT NOT NULL,
     updated_ms INTEGER NOT NULL, content TEXT NOT NULL) STRICT;
   CREATE TABLE files (
     number INTEGER PRIMARY KEY AUTOINCREMENT, file_id TEXT NOT NULL UNIQUE, session_id TEXT NOT NULL,
     name TEXT NOT NULL, content_type TEXT NOT NULL, size_bytes INTEGER NOT NULL, url TEXT NOT NULL,
     direction TEXT NOT NULL, status TEXT NOT NULL, transferred_bytes INTEGER NOT NULL, bytes BLOB) STRICT;
   CREATE INDEX files_by_session ON files (session_id);`,
];

export type PhoneDatabase = SqliteDatabase;

/**
 * Opens or creates `phone.db` in the folder. The file stays locked: two phones on one folder would
 * announce one device twice.
 * @throws Error when it is not writable, already open, or written by a newer version
 */
export function openPhoneDatabase(dataFolder: string): PhoneDatabase {
  const path = join(dataFolder, 'phone.db');
  return openSqliteDatabase({ path, schema: { steps: migrations }, busyTimeoutMs: 500, isExclusive: true });
}
