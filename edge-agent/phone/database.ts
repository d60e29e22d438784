// What the phone keeps on disk: one SQLite file, each change durable before anyone hears of it.
import { join } from 'node:path';
import { openSqlite, type SqliteDatabase } from '../../shared/node/sqlite-database.ts';

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
 * Opens or creates `phone.db` in the folder. Two phones on one folder would be one device twice, so the file is held.
 * @throws Error where it cannot be written, is open already, or a newer version wrote it
 */
export function openPhoneDatabase(dataFolder: string): PhoneDatabase {
  const path = join(dataFolder, 'phone.db');
  return openSqlite({ path, schema: { steps: migrations }, busyTimeoutMs: 500, isExclusive: true });
}
