// The two parts of a stored message: the fields that people see, and those that only the cloud needs, which pages do
// not read. A version that does not know the second part reads the first alone; the agent then reports the rest again.
import type { Message } from '../../../protocol/model.ts';
import type { MessageRecord } from '../message-store.ts';
import { upgradeRecord } from '../rules/message-rules.ts';
import { keys } from './keys.ts';
import type { StoredMessageOrTombstone, StoredTombstone } from './stored.ts';

const { sk: prefix } = keys.message('', '');

export interface MessageParts {
  shown: unknown;
  /** Undefined for records of one part. */
  aside?: object | undefined;
}

/** Splits the content of a sort key. Records other than messages have one part. */
export function partsOf(sk: string, data: unknown): MessageParts {
  if (!sk.startsWith(prefix)) return { shown: data };
  const message = data as StoredMessageOrTombstone;
  if (isTombstone(message)) return { shown: message };
  const { epoch, fingerprint, hops, ...shown } = message;
  return { shown, aside: { epoch, fingerprint, hops } };
}

/** The inverse of `partsOf`. Earlier versions kept messages in one part. */
export function joined({ shown, aside }: MessageParts): unknown {
  return aside === undefined ? shown : { ...(shown as object), ...aside };
}

export function isTombstone(message: StoredMessageOrTombstone): message is StoredTombstone {
  return 'gone' in message;
}

/** Undefined for a tombstone. */
export function present(message: StoredMessageOrTombstone | undefined): MessageRecord | undefined {
  return message === undefined || isTombstone(message) ? undefined : upgradeRecord(message);
}

/**
 * Leaves out the usual `onPhone`, which `upgradeRecord` restores: nearly every message has it, and AWS charges by size.
 */
export function compact<Shown extends Message>(message: Shown): Shown {
  const { onPhone, ...rest } = message;
  return onPhone === (message.messageId !== null) ? (rest as Shown) : message;
}
