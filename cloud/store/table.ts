// The one definition of the DynamoDB table: its keys, its two indexes and the attribute by which items expire.
// infra/dynamodb.json says the same to CloudFormation; a test holds the two together.

/** Names of attributes. Short, for each item pays for them: a write unit is 1 KB. */
export const attributes = {
  /** The home, the account, or the hash of a token's secret: see store/dynamo/keys.ts. */
  partition: 'pk',
  /** A letter for the kind of thing, and its identifier. */
  sort: 'sk',
  /** Index 1: a conversation's messages. */
  group: 'g1',
  /** Index 2: messages in a rare folder, or unread otherwise than in Received. */
  list: 'g2',
  /** Epoch seconds. DynamoDB deletes expired items within days, so that readers check it too. */
  expiry: 'ttl',
  /** Grows with the writes of an item; every write is conditional on it. */
  revision: 'rev',
  /** The thing itself, if it is small: packed JSON (store/dynamo/packing.ts). */
  record: 'z',
  /** Of a message, what only the cloud needs to know of it, packed: pages do not read it. */
  aside: 'y',
  /** The name of the blob that holds the JSON, if it is large. */
  blob: 'blob',
} as const;

export const indexes = { byGroup: 'by-group', byList: 'by-list' } as const;

const key = (partition: string, sort: string) => [
  { AttributeName: partition, KeyType: 'HASH' as const },
  { AttributeName: sort, KeyType: 'RANGE' as const },
];

/** As CreateTable and AWS::DynamoDB::Table take it, but for the name. Pages are read whole from the indexes. */
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
