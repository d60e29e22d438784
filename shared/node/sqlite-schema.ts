// Brings a SQLite file to the present version, a step at a time, each step a transaction.
import type { DatabaseSync } from 'node:sqlite';

export interface SqliteSchema {
  /** Step n brings a file from version n to n + 1. Append only: files of every released version exist. */
  readonly steps: readonly string[];
  /** Marks the file as ours, so that no other program's is taken for one of an early version. */
  readonly applicationId?: number;
  /** The step to this version deletes much: after it an older file is rewritten, so that the disk gets the space back. */
  readonly compactAtVersion?: number;
  /** Called within the transaction of the first step. */
  onCreate?(database: DatabaseSync): void;
}

/** The file was written by a version that knows more steps. */
export class NewerSchema extends Error {
  readonly version: number;
  readonly known: number;

  constructor(path: string, version: number, known: number) {
    super(
      `${path} was written by a newer version of Homeline (version ${version}, this one knows ${known}): install that one again.`,
    );
    this.version = version;
    this.known = known;
  }
}

/** The file does not bear our mark. */
export class ForeignSchema extends Error {}

/**
 * Answers the version that the file had. `path` is for the messages.
 * @throws NewerSchema or ForeignSchema, in which case the file is as it was
 */
export function migrateSchema(database: DatabaseSync, path: string, schema: SqliteSchema): number {
  const { steps, applicationId } = schema;
  const version = readPragma(database, 'user_version');
  if (applicationId !== undefined) {
    const owner = readPragma(database, 'application_id');
    if (owner !== applicationId && (owner !== 0 || version !== 0 || hasTables(database))) {
      throw new ForeignSchema(`${path} is the database of another program.`);
    }
  }
  if (version > steps.length) throw new NewerSchema(path, version, steps.length);
  for (const [index, step] of steps.entries()) {
    if (index < version) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(step);
      if (index === 0) schema.onCreate?.(database);
      if (applicationId !== undefined) database.exec(`PRAGMA application_id = ${applicationId}`);
      database.exec(`PRAGMA user_version = ${index + 1}; COMMIT`);
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
  return version;
}

function readPragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
}
