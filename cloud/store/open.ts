// Opens the store that the settings of a Node host choose.
import { join } from 'node:path';
import type { Clock } from './clock.ts';
import type { UpkeepReport } from './sqlite/sqlite-upkeep.ts';
import { SqliteStore } from './sqlite.ts';
import type { Store } from './store.ts';

export interface StoreSettings {
  store: 'sqlite' | 'dynamodb';
  dataFolder: string;
  /** This and the following settings are for DynamoDB only. */
  table: string;
  /** By default, the region that the AWS tools are configured with. */
  region?: string | undefined;
  endpoint?: string | undefined;
}

/** Returns a store that is not started. Loads the AWS SDK only for DynamoDB: it takes longest of all modules. */
export async function openStore(settings: StoreSettings, clock?: Clock, report?: UpkeepReport): Promise<Store> {
  const { dataFolder, table, region, endpoint } = settings;
  if (settings.store === 'sqlite') return openSqlite(dataFolder, clock, report);
  const [{ DynamoStore, newDynamoClient }, { FolderBlobs }] = await Promise.all([
    import('./dynamo.ts'),
    import('./folder-blobs.ts'),
  ]);
  return new DynamoStore({
    client: newDynamoClient({ ...(region !== undefined && { region }), ...(endpoint !== undefined && { endpoint }) }),
    table,
    blobs: new FolderBlobs(join(dataFolder, 'texts')),
    ...(clock !== undefined && { clock }),
  });
}

/** Not started yet. */
export function openSqlite(dataFolder: string, clock?: Clock, report?: UpkeepReport): Store {
  return new SqliteStore({
    path: join(dataFolder, 'cloud.db'),
    ...(clock !== undefined && { clock }),
    ...(report !== undefined && { report }),
  });
}
