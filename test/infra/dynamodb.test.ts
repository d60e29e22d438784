// infra/dynamodb.json: the table is the one of table.ts, protected, and taken by DynamoDB as it stands.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateTableCommand, type CreateTableCommandInput, DescribeTableCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it } from 'vitest';
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
    const resources = StorePolicy.Properties.PolicyDocument.Statement.map(
      (each: { Resource: object }) => each.Resource,
    );
    expect(resources).toEqual([{ 'Fn::GetAtt': ['Table', 'Arn'] }, { 'Fn::Sub': '$' + '{Table.Arn}/index/*' }]);
    expect(JSON.stringify(StorePolicy)).not.toContain('dynamodb:*');
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
