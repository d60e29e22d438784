// DynamoStore: the contract, against AWS's DynamoDB Local.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import { storeContract } from '../../contract/store.ts';
import { DynamoDbLocal, missingForDynamoDbLocal, transactionItems } from './dynamodb-local.ts';

const missing = missingForDynamoDbLocal();

describe.skipIf(missing !== undefined)('with DynamoDB Local', () => {
  const local = new DynamoDbLocal();
  beforeAll(() => local.start());
  afterAll(() => local.stop());

  storeContract(
    'DynamoStore',
    (place, clock) =>
      new DynamoStore({
        client: local.client(),
        table: basename(place),
        blobs: new FolderBlobs(place),
        clock,
        transactionItems,
      }),
    {
      make: async () => {
        const place = mkdtempSync(join(tmpdir(), 'homeline-store-'));
        await local.createTable(basename(place));
        return place;
      },
      clear: (place) => rmSync(place, { recursive: true, force: true }),
    },
  );
});
