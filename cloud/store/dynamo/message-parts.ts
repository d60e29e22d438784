// A message at its place, in two parts: what people see of it, and what only the cloud needs to know, which pages leave
// behind. The first is a record by itself: a version that knows no second part reads it, and learns the rest anew.
import type { Message } from '../../../protocol/model.ts';
import type { MessageRecord } from '../message-store.ts';
import { upgradeRecord } from '../rules/message-rules.ts';
import { keys } from './keys.ts';
import type { StoredMessageOrTombstone, StoredTombstone } from './stored.ts';

const { sk: prefix } = keys.message('', '');

export interface MessageParts {
  shown: unknown;
  /** Undefined where there is nothing to leave behind. */
  aside?: object | undefined;
}

/** Of what stands under that sort key. Whatever is no message is one part. */
export function partsOf(sk: string, data: unknown): MessageParts {
  if (!sk.startsWith(prefix)) return { shown: data };
  const message = data as StoredMessageOrTombstone;
  if (isTombstone(message)) return { shown: message };
  const { epoch, fingerprint, hops, ...shown } = message;
  return { shown, aside: { epoch, fingerprint, hops } };
}

/** The other way. Earlier versions kept messages in one part. */
export function joined({ shown, aside }: MessageParts): unknown {
  return aside === undefined ? shown : { ...(shown as object), ...aside };
}

export function isTombstone(message: StoredMessageOrTombstone): message is StoredTombstone {
  return 'gone' in message;
}

/** Undefined for what was deleted. */
export function present(message: StoredMessageOrTombstone | undefined): MessageRecord | undefined {
  return message === undefined || isTombstone(message) ? undefined : upgradeRecord(message);
}

/** Without an `onPhone` that `upgradeRecord` gives back: nearly every message has that one, and each byte is paid. */
export function compact<Shown extends Message>(message: Shown): Shown {
  const { onPhone, ...rest } = message;
  return onPhone === (message.messageId !== null) ? (rest as Shown) : message;
}
