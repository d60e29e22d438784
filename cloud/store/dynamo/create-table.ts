// Creates the table of store/table.ts in an engine that speaks DynamoDB. At AWS, infra/dynamodb.json creates the table
// and the rights to it; to create it there with this command, an operator must confirm it with an option.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  type DynamoDBClient,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
  UpdateTimeToLiveCommand,
} from '@aws-sdk/client-dynamodb';
import { GatewayError } from '../../../protocol/errors.ts';
import { indexes, tableDefinition, timeToLive } from '../table.ts';
import { unavailable } from './outage.ts';

/** AWS creates a table within a minute, a local engine at once. */
const readyWithinMs = 5 * 60_000;
const lookEveryMs = 500;

/**
 * Creates the table where it is missing and waits until it is ready. Returns a sentence for each step that it took.
 * @throws GatewayError `store-unavailable` when the engine does not answer, or the existing table has another
 * definition
 */
export async function createTable(
  client: DynamoDBClient,
  TableName: string,
  { isProtected }: { isProtected: boolean },
): Promise<string[]> {
  try {
    return [
      await makeTable(client, TableName),
      await expireItems(client, TableName),
      ...(isProtected ? [await protect(client, TableName)] : []),
    ];
  } catch (error) {
    throw error instanceof GatewayError ? error : unavailable(error);
  }
}

async function makeTable(client: DynamoDBClient, TableName: string): Promise<string> {
  let isNew = true;
  try {
    await client.send(new CreateTableCommand({ TableName, ...tableDefinition }));
  } catch (error) {
    // Another process may be creating it at this moment.
    if (!(error instanceof ResourceInUseException)) throw error;
    isNew = false;
  }
  const table = await untilActive(client, TableName);
  if (isNew) return `The table “${TableName}” is made and ready.`;
  const fault = differenceOf(table);
  if (fault === undefined) return `The table “${TableName}” was there already, and is as it should be.`;
  const remedy = 'Name another table with HOMELINE_TABLE, or delete this one if nothing in it is needed.';
  throw new GatewayError('store-unavailable', `There is a table “${TableName}”, but ${fault}. ${remedy}`);
}

async function untilActive(client: DynamoDBClient, TableName: string): Promise<TableDescription> {
  for (const untilMs = performance.now() + readyWithinMs; ; await sleep(lookEveryMs)) {
    try {
      const { Table } = await client.send(new DescribeTableCommand({ TableName }));
      const areActive = Table?.GlobalSecondaryIndexes?.every((index) => index.IndexStatus === 'ACTIVE') !== false;
      if (Table?.TableStatus === 'ACTIVE' && areActive) return Table;
    } catch (error) {
      // AWS may report a table that it has just created as missing for a moment.
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
    if (performance.now() > untilMs) {
      throw new GatewayError('store-unavailable', `The table “${TableName}” is not ready after five minutes.`);
    }
  }
}

/** How an existing table differs from the one that is needed. */
function differenceOf(table: TableDescription): string | undefined {
  const keyOf = (schema: readonly { AttributeName?: string | undefined; KeyType?: string | undefined }[] = []) =>
    schema.map(({ AttributeName, KeyType }) => `${AttributeName} ${KeyType}`).join(', ');
  if (keyOf(table.KeySchema) !== keyOf(tableDefinition.KeySchema)) return 'its key is another one';
  for (const name of Object.values(indexes)) {
    const wanted = tableDefinition.GlobalSecondaryIndexes.find((index) => index.IndexName === name);
    const found = table.GlobalSecondaryIndexes?.find((index) => index.IndexName === name);
    if (found === undefined) return `its index ${name} is missing`;
    if (keyOf(found.KeySchema) !== keyOf(wanted?.KeySchema)) return `the key of its index ${name} is another one`;
    if (found.Projection?.ProjectionType !== 'ALL') return `its index ${name} lacks attributes`;
  }
  return undefined;
}

async function expireItems(client: DynamoDBClient, TableName: string): Promise<string> {
  const { TimeToLiveDescription: told } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
  const isOn = told?.TimeToLiveStatus === 'ENABLED' || told?.TimeToLiveStatus === 'ENABLING';
  if (isOn && told.AttributeName === timeToLive.AttributeName) return 'Its items expire already.';
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: timeToLive }));
  return 'Its items expire now.';
}

/** The same protection that infra/dynamodb.json gives. */
async function protect(client: DynamoDBClient, TableName: string): Promise<string> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  await client.send(new UpdateContinuousBackupsCommand({ TableName, PointInTimeRecoverySpecification }));
  await client.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: true }));
  return 'It is protected from deletion, and can go back to any second of the last 35 days.';
}
