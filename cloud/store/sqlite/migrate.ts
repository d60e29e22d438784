// Brings the cloud's database file to the present version, or explains why it cannot.
import type { DatabaseSync } from 'node:sqlite';
import { GatewayError } from '../../../protocol/errors.ts';
import { ForeignSchema, migrateSchema, NewerSchema, type SqliteSchema } from '../../../shared/node/sqlite-schema.ts';
import { newUlid } from '../../../shared/ulid.ts';
import { applicationId, steps } from './schema.ts';

export function schemaOf(to: readonly string[] = steps): SqliteSchema {
  return {
    steps: to,
    applicationId,
    onCreate: (database) => database.prepare("INSERT INTO meta VALUES ('id', ?)").run(newUlid(Date.now())),
  };
}

/** @throws GatewayError `store-unavailable` for a file of a newer version, or of another program */
export function migrate(database: DatabaseSync, path: string, to?: readonly string[]): void {
  try {
    migrateSchema(database, path, schemaOf(to));
  } catch (error) {
    throw explainSchema(error, path) ?? error;
  }
}

/** Explains what to do about a file that this version cannot use; undefined for any other error. */
export function explainSchema(error: unknown, path: string): GatewayError | undefined {
  if (error instanceof ForeignSchema) {
    return new GatewayError('store-unavailable', `${path} is the database of another program: name another folder.`);
  }
  if (error instanceof NewerSchema) {
    return new GatewayError(
      'store-unavailable',
      `${path} was written by a newer Homeline (version ${error.version}, this one knows ${error.known}): ` +
        'install that one again, or restore a backup from before it.',
    );
  }
  return undefined;
}
