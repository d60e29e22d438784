// The database as numbered steps: step n brings version n-1 to version n. A released step is never changed.

/** “HMLN” in the file's header, so that another program's database is not mistaken for ours. */
export const applicationId = 0x484d4c4e;

export const steps: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  INSERT INTO meta VALUES ('cursor-secret', lower(hex(randomblob(32))));

  CREATE TABLE accounts (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE people (
    account TEXT NOT NULL REFERENCES accounts, name TEXT NOT NULL, role TEXT NOT NULL,
    PRIMARY KEY (account, name)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE homes (
    id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts, name TEXT NOT NULL,
    online INTEGER NOT NULL DEFAULT 0, since_ms INTEGER, agent TEXT,
    unread INTEGER NOT NULL DEFAULT 0,
    last_event TEXT NOT NULL DEFAULT '', pruned_event TEXT NOT NULL DEFAULT ''
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX homes_by_account ON homes (account, id);
  CREATE TABLE tokens (
    id TEXT PRIMARY KEY, hash TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    account TEXT NOT NULL REFERENCES accounts, home TEXT REFERENCES homes, name TEXT NOT NULL, scopes TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, revoked_at_ms INTEGER
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tokens_by_account ON tokens (account, kind, id);
  CREATE INDEX tokens_by_expiry ON tokens (expires_at_ms) WHERE expires_at_ms IS NOT NULL;

  CREATE TABLE phones (
    home TEXT NOT NULL REFERENCES homes, id TEXT NOT NULL, udn TEXT NOT NULL,
    online INTEGER NOT NULL DEFAULT 0, record TEXT NOT NULL,
    PRIMARY KEY (home, id), UNIQUE (home, udn)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE messages (
    row INTEGER PRIMARY KEY,
    home TEXT NOT NULL REFERENCES homes, id TEXT NOT NULL,
    phone TEXT, message_id TEXT, message_class TEXT NOT NULL, folder TEXT NOT NULL, status TEXT NOT NULL,
    session TEXT, conversation TEXT, sender TEXT NOT NULL, state TEXT NOT NULL,
    record TEXT NOT NULL, text TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX messages_by_id ON messages (home, id);
  CREATE INDEX messages_by_conversation ON messages (home, conversation, id) WHERE conversation IS NOT NULL;
  CREATE INDEX messages_by_session ON messages (home, session, id) WHERE session IS NOT NULL;
  CREATE INDEX messages_by_sender ON messages (home, sender, id);
  CREATE INDEX messages_by_status ON messages (home, status, id);
  CREATE INDEX messages_by_phone ON messages (home, phone, id);
  CREATE INDEX messages_by_folder ON messages (home, folder, id);
  CREATE INDEX messages_by_class ON messages (home, message_class, id);
  CREATE INDEX messages_unsent ON messages (home, state, id) WHERE message_id IS NULL;
  CREATE VIRTUAL TABLE messages_text USING fts5(text, content = '', contentless_delete = 1, tokenize = 'trigram');
  CREATE TABLE tombstones (
    home TEXT NOT NULL REFERENCES homes, id TEXT NOT NULL, PRIMARY KEY (home, id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE conversations (
    home TEXT NOT NULL REFERENCES homes, key TEXT NOT NULL, session TEXT, parties TEXT NOT NULL,
    last_id TEXT NOT NULL, unread INTEGER NOT NULL,
    PRIMARY KEY (home, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX conversations_by_last ON conversations (home, last_id);

  CREATE TABLE sessions (
    home TEXT NOT NULL REFERENCES homes, id TEXT NOT NULL,
    phone TEXT NOT NULL, session_class TEXT NOT NULL, status TEXT NOT NULL, record TEXT NOT NULL,
    PRIMARY KEY (home, id)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX sessions_by_phone ON sessions (home, phone, id);
  CREATE INDEX sessions_by_class ON sessions (home, session_class, id);
  CREATE INDEX sessions_by_status ON sessions (home, status, id);

  CREATE TABLE events (
    home TEXT NOT NULL REFERENCES homes, id TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (home, id)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE requests (
    scope TEXT NOT NULL, key TEXT NOT NULL, fingerprint TEXT NOT NULL,
    first_begun_ms INTEGER NOT NULL, begun_ms INTEGER NOT NULL, status INTEGER, body TEXT,
    PRIMARY KEY (scope, key)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX requests_by_age ON requests (first_begun_ms);
  `,
  // A home's settings, as JSON; null: all defaults.
  'ALTER TABLE homes ADD COLUMN settings TEXT',
  `
  ALTER TABLE tokens ADD COLUMN opened_by TEXT;
  ALTER TABLE tokens ADD COLUMN device TEXT;
  ALTER TABLE tokens ADD COLUMN last_used_ms INTEGER;
  CREATE TABLE barred_secrets (hash TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  `,
  // Whether the phone lists the message; and tombstones with the fields that the agent's comparison needs.
  `
  ALTER TABLE messages ADD COLUMN on_phone INTEGER NOT NULL DEFAULT 1;
  UPDATE messages SET on_phone = 0 WHERE message_id IS NULL;
  CREATE INDEX messages_off_phone ON messages (home, id) WHERE on_phone = 0;
  ALTER TABLE tombstones ADD COLUMN phone TEXT;
  ALTER TABLE tombstones ADD COLUMN message_id TEXT;
  ALTER TABLE tombstones ADD COLUMN epoch INTEGER;
  ALTER TABLE tombstones ADD COLUMN fingerprint TEXT;
  ALTER TABLE tombstones ADD COLUMN time TEXT;
  CREATE INDEX tombstones_by_phone ON tombstones (home, phone, id) WHERE phone IS NOT NULL;
  CREATE INDEX tombstones_by_message ON tombstones (home, phone, message_id) WHERE message_id IS NOT NULL;
  `,
  // The progress of keying a home's messages, as JSON (Keying); null: not begun.
  'ALTER TABLE homes ADD COLUMN keying TEXT',
];

/** The tables of an export with their keys, ordered so that a row follows the rows that it refers to. */
export const tables: Readonly<Record<string, readonly string[]>> = {
  meta: ['name'],
  accounts: ['id'],
  people: ['account', 'name'],
  homes: ['id'],
  tokens: ['id'],
  barred_secrets: ['hash'],
  phones: ['home', 'id'],
  messages: ['home', 'id'],
  tombstones: ['home', 'id'],
  conversations: ['home', 'key'],
  sessions: ['home', 'id'],
  events: ['home', 'id'],
  requests: ['scope', 'key'],
};
