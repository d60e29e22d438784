// The one definition of the DynamoDB table: its keys, its two indexes and the attribute by which items expire.
// infra/dynamodb.json defines the same table for CloudFormation; a test compares the two.

/** Names of attributes. Short, because each item stores them: a write unit is 1 KB. */
export const attributes = {
  /** The home, the account, or the hash of a token's secret: see store/dynamo/keys.ts. */
  partition: 'pk',
  /** A letter for the kind of record, and its identifier. */
  sort: 'sk',
  /** Index 1: a conversation's messages. */
  group: 'g1',
  /** Index 2: messages in a rare folder, or unread otherwise than in Received. */
  list: 'g2',
  /** Epoch seconds. DynamoDB may take days to delete an expired item, so readers check it too. */
  expiry: 'ttl',
  /** Grows with each write of the item; every write is conditional on it. */
  revision: 'rev',
  /** A small record: packed JSON (store/dynamo/packing.ts). */
  record: 'z',
  /** The fields of a message that only the cloud needs, packed: pages do not read them. */
  aside: 'y',
  /** The name of the blob that holds the JSON, if it is large. */
  blob: 'blob',
} as const;

export const indexes = { byGroup: 'by-group', byList: 'by-list' } as const;

const key = (partition: string, sort: string) => [
  { AttributeName: partition, KeyType: 'HASH' as const },
  { AttributeName: sort, KeyType: 'RANGE' as const },
];

/**
 * In the form of CreateTable and AWS::DynamoDB::Table, without the name. Indexes project all: pages read them alone.
 */
export const tableDefinition = {
  BillingMode: 'PAY_PER_REQUEST' as const,
  AttributeDefinitions: [attributes.partition, attributes.sort, attributes.group, attributes.list].map(
    (AttributeName) => ({ AttributeName, AttributeType: 'S' as const }),
  ),
  KeySchema: key(attributes.partition, attributes.sort),
  GlobalSecondaryIndexes: [
    {
      IndexName: indexes.byGroup,
      KeySchema: key(attributes.group, attributes.sort),
      Projection: { ProjectionType: 'ALL' as const },
    },
    {
      IndexName: indexes.byList,
      KeySchema: key(attributes.list, attributes.sort),
      Projection: { ProjectionType: 'ALL' as const },
    },
  ],
};

export const timeToLive = { AttributeName: attributes.expiry, Enabled: true } as const;
