// infra/dynamodb.json: the table equals table.ts, is protected, and DynamoDB accepts it unchanged.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTableCommand, type CreateTableCommandInput, DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
import { readWorkerSettings } from '../../cloud/hosts/worker-settings.ts';
import { tableDefinition, timeToLive } from '../../cloud/store/table.ts';
import { DynamoDbLocal, missingForDynamoDbLocal } from '../cloud/store/dynamodb-local.ts';

const template = JSON.parse(readFileSync(join(import.meta.dirname, '../../infra/dynamodb.json'), 'utf8'));
const { Table, StoreUser, StorePolicy } = template.Resources;
const missing = missingForDynamoDbLocal();

describe('the CloudFormation template', () => {
  it('has the keys, indexes and billing of table.ts', () => {
    const { TableName, TimeToLiveSpecification, ...properties } = Table.Properties;
    expect(TableName).toEqual({ Ref: 'TableName' });
    expect(TimeToLiveSpecification).toEqual(timeToLive);
    expect(properties).toEqual({
      ...tableDefinition,
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      DeletionProtectionEnabled: true,
    });
  });

  it('keeps the table whatever becomes of the stack', () => {
    expect(Table).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
  });

  it('gives its user the one policy, which names this table and its indexes alone', () => {
    expect(StoreUser.Properties).toEqual({ ManagedPolicyArns: [{ Ref: 'StorePolicy' }] });
    const statements: { Resource: unknown }[] = StorePolicy.Properties.PolicyDocument.Statement;
    const restored =
      'arn:$' + '{AWS::Partition}:dynamodb:$' + '{AWS::Region}:$' + '{AWS::AccountId}:table/$' + '{RestoredTable}';
    const orRestored = (table: object, arn: string) => [
      table,
      { 'Fn::If': ['IsRestored', { 'Fn::Sub': arn }, { Ref: 'AWS::NoValue' }] },
    ];
    expect(statements.map(({ Resource }) => Resource)).toEqual([
      orRestored({ 'Fn::GetAtt': ['Table', 'Arn'] }, restored),
      orRestored({ 'Fn::Sub': '$' + '{Table.Arn}/index/*' }, `${restored}/index/*`),
    ]);
    expect(template.Conditions.IsRestored).toEqual({ 'Fn::Not': [{ 'Fn::Equals': [{ Ref: 'RestoredTable' }, ''] }] });
    expect(template.Parameters.RestoredTable.Default).toBe('');
  });

  it('has what infra/README.md names', () => {
    const readme = readFileSync(join(import.meta.dirname, '../../infra/README.md'), 'utf8');
    const overrides = [...readme.matchAll(/--parameter-overrides (\w+)=/g)].map((match) => match[1]);
    const outputs = [...readme.matchAll(/OutputKey==`(\w+)`/g)].map((match) => match[1]);
    expect(overrides.length * outputs.length).toBeGreaterThan(0);
    for (const name of overrides) expect(template.Parameters).toHaveProperty([String(name)]);
    for (const name of outputs) expect(template.Outputs).toHaveProperty([String(name)]);
    for (const [path] of readme.matchAll(/infra\/[\w.]+\w/g)) {
      expect(existsSync(join(import.meta.dirname, '../..', path)), path).toBe(true);
    }
  });

  it('deploys the Worker in four commands, which give it every secret that it needs', () => {
    const page = (name: string) => readFileSync(join(import.meta.dirname, '../..', name), 'utf8');
    const [, section = ''] = page('infra/README.md').split('## The Worker from nothing');
    const commands = section.split('\n\n').find((block) => block.startsWith('    ')) ?? '';
    expect(commands.split('\n')).toHaveLength(4);
    const variables = [...page('wrangler.toml').matchAll(/^([A-Z_]+) = /gm)].map(([, name = '']) => [name, 'x']);
    const missing = (given: string[][]) => {
      try {
        readWorkerSettings(Object.fromEntries(given));
        return [];
      } catch (error) {
        return String(error).match(/\b(HOMELINE|AWS)_[A-Z_]+(?=: is missing)/g);
      }
    };
    const given = commands.match(/\b(HOMELINE|AWS)_[A-Z_]+\b/g) ?? [];
    expect(missing(variables)?.toSorted()).toEqual(given.toSorted());
    expect(missing([...variables, ...given.map((name) => [name, 'x'.repeat(32)])])).toEqual([]);
    expect(section).toContain(/^bucket_name = "(.+)"$/m.exec(page('wrangler.toml'))?.[1]);
  });

  it.skipIf(missing !== undefined)('makes a table in DynamoDB Local', async () => {
    const local = new DynamoDbLocal();
    await local.start();
    const client = local.client();
    try {
      const {
        TableName: _,
        TimeToLiveSpecification: __,
        PointInTimeRecoverySpecification: ___,
        DeletionProtectionEnabled: ____,
        ...properties
      } = Table.Properties;
      const input: CreateTableCommandInput = { TableName: template.Parameters.TableName.Default, ...properties };
      await client.send(new CreateTableCommand(input));
      const described = await client.send(new DescribeTableCommand({ TableName: input.TableName }));
      expect(described.Table).toMatchObject({ TableStatus: 'ACTIVE', KeySchema: tableDefinition.KeySchema });
      expect(described.Table?.GlobalSecondaryIndexes).toHaveLength(2);
    } finally {
      client.destroy();
      await local.stop();
    }
  });
});
