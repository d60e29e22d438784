// Sends whose message may still appear on the phone, and which listed message belongs to which send.
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { partyOf } from './evidence.ts';
import { unknownTime } from './profile.ts';

/** A send that was started and whose message may still appear on the phone. */
export interface OpenSend {
  readonly key: string;
  readonly message: PhoneMessage;
  /** When it was started, epoch milliseconds, if the phone refused it without proving that it did nothing. */
  readonly refusedMs?: number | undefined;
}

/** An equal text that appears later than this was typed on the phone. A guess: no such phone was measured. */
const joinRefusedWithinMs = 3_600_000;

/** The open sends that a message can belong to by its time; a refused send only shortly after it was started. */
export function joinableTo({ time }: PhoneMessage, open: readonly OpenSend[], nowMs: number): OpenSend[] {
  const times = [nowMs, ...(time === unknownTime ? [] : [Date.parse(time)])];
  return open.filter(
    ({ refusedMs }) => refusedMs === undefined || times.some((ms) => Math.abs(ms - refusedMs) <= joinRefusedWithinMs),
  );
}

/** The oldest open send that this message can be: same recipients, body and class, and not taken by another message. */
export function takeMatch(
  open: readonly OpenSend[],
  message: PhoneMessage,
  taken: ReadonlyMap<string, string> = new Map(),
): OpenSend | undefined {
  if (message.folder === 'Received' || message.folder === 'Deleted') return undefined;
  return open.find(
    ({ key, message: sent }) =>
      !taken.has(key) &&
      sent.messageClass === message.messageClass &&
      sent.body === message.body &&
      addressesOf(sent) === addressesOf(message),
  );
}

/** Compares normalised addresses, because a phone may rewrite a number. */
function addressesOf(message: PhoneMessage): string {
  return JSON.stringify(message.to.map(({ address }) => partyOf(address)).sort());
}
