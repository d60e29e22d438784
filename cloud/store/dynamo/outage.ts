// The meaning of an error of DynamoDB: retry, a conflict with another writer, the store is unavailable, or a bug of
// ours.
import { GatewayError } from '../../../protocol/errors.ts';

/** Another writer was first: read and decide again. */
export class Conflict extends Error {}

export type Meaning = 'retry' | 'conflict' | 'unavailable' | 'mistake';

const conflicts = new Set(['ConditionalCheckFailedException', 'TransactionConflictException']);
const mistakes = new Set(['ValidationException', 'IdempotentParameterMismatchException']);
const remedies = new Map([
  [
    'ResourceNotFoundException',
    'there is no such table: make it with npm run cloud -- create-table (at AWS with infra/dynamodb.json), or name another',
  ],
  ['AccessDeniedException', 'these credentials may not do that: give them the policy of infra/dynamodb.json'],
  ['UnrecognizedClientException', 'AWS does not know these credentials: see AWS_ACCESS_KEY_ID and its secret'],
  ['InvalidSignatureException', 'AWS does not accept the signature: see the secret key and this machine’s clock'],
  ['ExpiredTokenException', 'the credentials have expired: renew them'],
  ['RegionError', 'the region of the table is not set: set AWS_REGION'],
  ['CredentialsProviderError', 'there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
]);

interface ServiceError extends Error {
  $metadata?: { httpStatusCode?: number };
  CancellationReasons?: { Code?: string }[];
}

export function meaningOf(error: unknown): Meaning {
  if (!(error instanceof Error)) return 'mistake';
  if (error.name === 'TransactionCanceledException') return meaningOfCancellation(error);
  if (conflicts.has(error.name)) return 'conflict';
  if (mistakes.has(error.name)) return 'mistake';
  return remedies.has(nameOf(error)) ? 'unavailable' : 'retry';
}

/**
 * `store-unavailable`, whose message says what to do, with a random `retryAfterMs` so that callers do not retry
 * together.
 */
export function unavailable(cause: unknown): GatewayError {
  const name = nameOf(cause);
  const why = remedies.get(name) ?? `it does not answer in time (${name}); nothing is lost, and it is tried again`;
  const retryAfterMs = Math.round(1_000 + Math.random() * 4_000);
  return new GatewayError('store-unavailable', `DynamoDB is not available: ${why}.`, { cause, retryAfterMs });
}

/** The SDK says “Region is missing” and “Region not accepted” without a name of their own. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return error.name === 'Error' && error.message.startsWith('Region ') ? 'RegionError' : error.name;
}

/** A condition that failed outweighs a throttled item: nothing of the transaction happened in either case. */
function meaningOfCancellation(error: ServiceError): Meaning {
  const codes = (error.CancellationReasons ?? []).map((reason) => reason.Code);
  if (codes.includes('ValidationError') || codes.includes('ItemCollectionSizeLimitExceeded')) return 'mistake';
  if (codes.includes('ConditionalCheckFailed') || codes.includes('TransactionConflict')) return 'conflict';
  return 'retry';
}
