// The keys of the table. Partition keys begin with the home or the account, so that no partition is hot. Only records
// that are looked up by a secret or for a token have partitions of their own.
import { createHash } from 'node:crypto';
import type { Session } from '../../../protocol/model.ts';
import type { Role } from '../home-store.ts';
import type { TokenRecord } from '../token-store.ts';
import type {
  StoredConversation,
  StoredDeleted,
  StoredEvents,
  StoredHome,
  StoredMessageOrTombstone,
  StoredPhone,
  StoredRequest,
} from './stored.ts';

/** The key of an item, and the type of its content. */
export interface Key<Data> {
  pk: string;
  sk: string;
  /** Never set: it only carries the type. */
  readonly data?: Data;
}

export const keys = {
  store: (): Key<{ id: string; cursorSecret: string }> => ({ pk: 'STORE', sk: 'A' }),
  /** Written by `ping`, to see that the table takes writes. */
  probe: (): Key<never> => ({ pk: 'STORE', sk: 'P' }),
  home: (home: string): Key<StoredHome> => ({ pk: homePartition(home), sk: 'A' }),
  message: (home: string, id: string): Key<StoredMessageOrTombstone> => ({ pk: homePartition(home), sk: `M#${id}` }),
  /** The deletions under that identifier of a phone. */
  deleted: (
    home: string,
    { phone, messageId, epoch }: { phone: string; messageId: string; epoch: number },
  ): Key<StoredDeleted> => ({ pk: homePartition(home), sk: `D#${digest(JSON.stringify([phone, epoch, messageId]))}` }),
  /** A send that no phone has taken yet. */
  openSend: (home: string, id: string): Key<{ id: string }> => ({
    pk: homePartition(home),
    sk: `O#${id}`,
  }),
  allConversations: (home: string): Key<StoredConversation> => ({ pk: homePartition(home), sk: 'C#' }),
  conversation: (home: string, key: string): Key<StoredConversation> => ({
    pk: homePartition(home),
    sk: `C#${digest(key)}`,
  }),
  session: (home: string, id: string): Key<Session> => ({ pk: homePartition(home), sk: `S#${id}` }),
  allPhones: (home: string): Key<StoredPhone> => ({ pk: homePartition(home), sk: 'P#' }),
  phone: (home: string, udn: string): Key<StoredPhone> => ({ pk: homePartition(home), sk: `P#${digest(udn)}` }),
  /** A page of events, by the id of its last. */
  events: (home: string, last: string): Key<StoredEvents> => ({ pk: homePartition(home), sk: `E#${last}` }),
  person: (account: string, name: string): Key<{ name: string; role: Role }> => ({
    pk: accountPartition(account),
    sk: `P#${digest(name)}`,
  }),
  homeOf: (account: string, home: string): Key<{ home: string }> => ({
    pk: accountPartition(account),
    sk: `H#${safe(home)}`,
  }),
  tokenOf: (account: string, id: string): Key<TokenRecord> => ({ pk: accountPartition(account), sk: `T#${id}` }),
  token: (hash: string): Key<TokenRecord> => ({ pk: `T#${safe(hash)}`, sk: 'T' }),
  barred: (hash: string): Key<{ barred: true }> => ({ pk: `T#${safe(hash)}`, sk: 'B' }),
  request: (scope: string, key: string): Key<StoredRequest> => ({ pk: `R#${safe(scope)}`, sk: `R#${digest(key)}` }),
};

export const partitions = {
  home: homePartition,
  account: accountPartition,
  /** In index 1: the messages of a session, or among the same people. */
  group: (home: string, key: string) => `${homePartition(home)}#C#${digest(key)}`,
  /** In index 2. */
  folder: (home: string, folder: string, status: string) => `${homePartition(home)}#F#${safe(folder)}#${safe(status)}`,
};

/** DynamoDB's limits for keys, in bytes. */
const longestPartition = 2_048;
const longestSort = 1_024;

/** Whether DynamoDB takes such a key. Reads treat an impossible key as absent. */
export function isPossible({ pk, sk }: Key<unknown>): boolean {
  if (!sk.isWellFormed()) return false;
  return Buffer.byteLength(pk) <= longestPartition && Buffer.byteLength(sk) <= longestSort;
}

function homePartition(home: string): string {
  return `H#${safe(home)}`;
}

function accountPartition(account: string): string {
  return `A#${safe(account)}`;
}

/** Escapes “#”, which separates the parts of a key. */
function safe(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

/** 128 bits of SHA-256, for texts that may exceed the 1 KB of a key. */
function digest(text: string): string {
  return createHash('sha256').update(text).digest().subarray(0, 16).toString('base64url');
}
