// `npm run cloud -- create-table`: makes the table in a local DynamoDB engine.
import type { SettingValues } from '../../protocol/settings.ts';
import type { cloudSettings } from '../settings.ts';

type TableSettings = Pick<SettingValues<typeof cloudSettings>, 'table' | 'region' | 'endpoint'>;

const refusal =
  'The table would be made at AWS itself. There infra/dynamodb.json makes it, with the rights to it and with backups: ' +
  'see infra/README.md.\n' +
  'For another engine, name it with AWS_ENDPOINT_URL_DYNAMODB. To make it at AWS all the same, add --yes-at-aws.';

/** Names of AWS's own endpoints: the public ones, those of China and Europe, of VPCs and of dual stack. */
const ownHosts = /(?:^|\.)(?:amazonaws\.com(?:\.cn)?|amazonaws\.eu|api\.aws|api\.amazonwebservices\.com\.cn)\.?$/;

/** Without an endpoint the SDK asks AWS. */
export function isAtAws(endpoint: string | undefined): boolean {
  return endpoint === undefined || ownHosts.test(new URL(endpoint).hostname);
}

/** Answers the exit code: 0 made or already there, 1 failed, 2 refused without --yes-at-aws. */
export async function createTableCommand(settings: TableSettings, isSure: boolean): Promise<number> {
  const { table, region } = settings;
  // The SDK knows this variable too.
  const endpoint = settings.endpoint ?? (process.env.AWS_ENDPOINT_URL || undefined);
  const atAws = isAtAws(endpoint);
  if (atAws && !isSure) {
    console.error(refusal);
    return 2;
  }
  const [{ newDynamoClient }, { createTable }] = await Promise.all([
    import('../store/dynamo.ts'),
    import('../store/dynamo/create-table.ts'),
  ]);
  const client = newDynamoClient({
    ...(region !== undefined && { region }),
    ...(endpoint !== undefined && { endpoint }),
  });
  try {
    for (const sentence of await createTable(client, table, { isProtected: atAws })) console.log(sentence);
    console.log('Start the cloud on it with HOMELINE_STORE=dynamodb.');
    return 0;
  } catch (error) {
    console.error(`The table cannot be made: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    client.destroy();
  }
}
