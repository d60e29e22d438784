// A message at its place, in two parts: what people see of it, and what only the cloud needs to know, which pages leave
// behind. Its identifier stands in the key alone.
import type { MessageRecord } from '../store.ts';
import { keys } from './keys.ts';
import { isGrave } from './placement.ts';
import type { StoredMessageOrGrave } from './stored.ts';

const { sk: prefix } = keys.message('', '');

export interface Parts {
  shown: unknown;
  /** Undefined where there is nothing to leave behind. */
  aside?: object | undefined;
}

/** Of what stands under that sort key. Whatever is no message is one part. */
export function partsOf(sk: string, data: unknown): Parts {
  if (!sk.startsWith(prefix)) return { shown: data };
  const message = data as StoredMessageOrGrave;
  if (isGrave(message)) return { shown: message };
  const { id: _, epoch, fingerprint, deliverByMs, place, hops, ...shown } = message;
  const aside: Partial<MessageRecord> = { epoch, fingerprint, deliverByMs, place, hops };
  return { shown, aside };
}

/** The other way. Earlier versions kept it in one part, with its identifier. */
export function joined(sk: string, { shown, aside }: Parts): unknown {
  if (!sk.startsWith(prefix)) return shown;
  return { id: sk.slice(prefix.length), ...(shown as object), ...aside };
}
