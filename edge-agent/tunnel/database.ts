// The agent's one database file: what must survive a crash.
import { join } from 'node:path';
import { openSqliteDatabase, type SqliteDatabase } from '../../shared/node/sqlite-database.ts';

/** Append only: released files exist. */
const migrations: readonly string[] = [
  `
  CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  CREATE TABLE outbox (seq INTEGER PRIMARY KEY AUTOINCREMENT, udn TEXT NOT NULL, time_ms INTEGER NOT NULL, event TEXT NOT NULL);
  CREATE TABLE dead_letters (
    seq INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, event TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL);
  CREATE TABLE phones (udn TEXT PRIMARY KEY, epoch INTEGER NOT NULL, compared_store TEXT) WITHOUT ROWID;
  CREATE TABLE approvals (udn TEXT PRIMARY KEY) WITHOUT ROWID;
  CREATE TABLE messages (
    udn TEXT NOT NULL, message_id TEXT NOT NULL, epoch INTEGER NOT NULL, id TEXT NOT NULL, fingerprint TEXT NOT NULL,
    xml TEXT, PRIMARY KEY (udn, message_id)) WITHOUT ROWID;
  CREATE TABLE sessions (
    udn TEXT NOT NULL, session_id TEXT NOT NULL, id TEXT NOT NULL, session TEXT NOT NULL,
    PRIMARY KEY (udn, session_id)) WITHOUT ROWID;
  CREATE TABLE sends (
    key TEXT PRIMARY KEY, udn TEXT NOT NULL, action TEXT NOT NULL, arguments TEXT NOT NULL, begun_ms INTEGER NOT NULL,
    outcome TEXT) WITHOUT ROWID;
  CREATE INDEX sends_begun ON sends (udn, begun_ms) WHERE outcome IS NULL;
  `,
  `
  CREATE INDEX dead_letters_by_thing ON dead_letters (
    (event ->> '$.udn'),
    coalesce((event ->> '$.id'), (event ->> '$.sessionKey') || (event ->> '$.file.fileId')));
  `,
  // After a reset of the phone one message_id names several messages, one after the other.
  `
  CREATE TABLE known_messages (
    udn TEXT NOT NULL, id TEXT NOT NULL, message_id TEXT NOT NULL, epoch INTEGER NOT NULL, fingerprint TEXT NOT NULL,
    xml TEXT, absent_ms INTEGER, is_settled INTEGER NOT NULL DEFAULT 0, is_deleted INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (udn, id)) WITHOUT ROWID;
  INSERT OR REPLACE INTO known_messages (udn, id, message_id, epoch, fingerprint, xml)
    SELECT udn, id, message_id, epoch, fingerprint, xml FROM messages ORDER BY epoch;
  DROP TABLE messages;
  CREATE INDEX known_messages_by_message_id ON known_messages (udn, message_id);
  `,
  // What an approval counts for, as JSON; null: for the UDN.
  'ALTER TABLE approvals ADD COLUMN evidence TEXT',
  // The XML of every message, which nothing reads.
  'ALTER TABLE known_messages DROP COLUMN xml',
  // A send keeps its arguments for as long as its message may appear, also after some refusals.
  "CREATE INDEX IF NOT EXISTS sends_joinable ON sends (udn) WHERE arguments <> '{}'; DROP INDEX IF EXISTS sends_begun",
];

/** Until this version the file held each message a second time. */
const withoutXml = 5;

export type AgentDatabase = SqliteDatabase;

/**
 * Opens `agent.db` in the data folder, which is made where it is missing, and brings it up to date.
 * @throws Error when the folder cannot be written or the file comes from a newer version
 */
export function openDatabase(dataFolder: string): AgentDatabase {
  const schema = { steps: migrations, compactAtVersion: withoutXml };
  return openSqliteDatabase({ path: join(dataFolder, 'agent.db'), schema, busyTimeoutMs: 2000 });
}
