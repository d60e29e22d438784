// DynamoStore: the contract, against AWS's DynamoDB Local, and the IAM rights that it used.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { DynamoStore } from '../../../cloud/store/dynamo.ts';
import { FolderBlobs } from '../../../cloud/store/folder-blobs.ts';
import { storeContract } from '../../contract/store.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from './dynamodb-local.ts';

const missing = missingForDynamoDbLocal();
// DynamoDB Local is slow when all test files run in parallel.
vi.setConfig({ testTimeout: 180_000 });

describe.skipIf(missing !== undefined)('with DynamoDB Local', () => {
  const local = new DynamoDbLocal();
  const onTable = new Set<string>();
  const onIndex = new Set<string>();
  beforeAll(() => local.start());
  afterAll(() => local.stop());

  storeContract(
    'DynamoStore',
    (place, clock) =>
      new DynamoStore({
        client: observed(local.client()),
        table: basename(place),
        blobs: new FolderBlobs(place),
        clock,
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

  it('used exactly the rights that infra/dynamodb.json gives', () => {
    const template = JSON.parse(readFileSync(join(import.meta.dirname, '../../../infra/dynamodb.json'), 'utf8'));
    const [table, indexes] = template.Resources.StorePolicy.Properties.PolicyDocument.Statement;
    expect([...onTable].sort()).toEqual(table.Action);
    expect([...onIndex].sort()).toEqual(indexes.Action);
  });

  /** Notes the right that each request needs: for a transaction, IAM checks those of its parts. */
  function observed(client: DynamoDBClient): DynamoDBClient {
    client.middlewareStack.add(
      (next, context) => (step) => {
        const { IndexName, TransactItems } = step.input as { IndexName?: string; TransactItems?: object[] };
        const operation = String(context.commandName).replace('Command', '');
        const parts = TransactItems?.flatMap((part) => Object.keys(part)).map((part) => `${part}Item`) ?? [operation];
        for (const part of parts) (IndexName === undefined ? onTable : onIndex).add(`dynamodb:${part}`);
        return next(step);
      },
      { step: 'initialize', priority: 'low' },
    );
    return client;
  }
});
