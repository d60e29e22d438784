// Brings a database file to the present version, a step at a time, each step a transaction.
import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../../protocol/errors.ts';
import { newUlid } from '../../../shared/ulid.ts';
import { applicationId, steps } from './schema.ts';

/** Throws `store-unavailable` for a file of a newer version, or of another program. `path` is for the message. */
export function migrate(database: DatabaseSync, path: string, to: readonly string[] = steps): void {
  const version = readPragma(database, 'user_version');
  const owner = readPragma(database, 'application_id');
  if (owner !== applicationId && (owner !== 0 || version !== 0 || hasTables(database))) {
    throw new GatewayError('store-unavailable', `${path} is the database of another program: name another folder.`);
  }
  if (version > to.length) {
    throw new GatewayError(
      'store-unavailable',
      `${path} was written by a newer Homeline (version ${version}, this one knows ${to.length}): ` +
        'install that one again, or restore a backup from before it.',
    );
  }
  for (const [index, step] of to.entries()) {
    if (index < version) continue;
    database.exec('BEGIN IMMEDIATE');
    try {
      database.exec(step);
      if (index === 0) database.prepare("INSERT INTO meta VALUES ('id', ?)").run(newUlid(Date.now()));
      database.exec(`PRAGMA application_id = ${applicationId}; PRAGMA user_version = ${index + 1}; COMMIT`);
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }
}

function readPragma(database: DatabaseSync, name: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${name}`).get()?.[name]);
}

function hasTables(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
}
