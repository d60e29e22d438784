// The rows of a thread: days, messages, and sends that the cloud has not answered yet.
import type { Message } from '../../../protocol/model.ts';
import { isOwn } from '../text/parties.ts';
import { localDay } from '../text/times.ts';
import type { PendingSend } from './sends.ts';

export type ThreadEntry =
  | { kind: 'day'; key: string; time: string }
  /** `follows`: the previous message has the same sender and is close in time, so the two are grouped. */
  | { kind: 'message'; key: string; message: Message; follows: boolean }
  | { kind: 'pending'; key: string; send: PendingSend };

const nearMs = 5 * 60_000;

/** `messages`: oldest first. A send whose message has already arrived by an event is shown once. */
export function threadEntries(messages: readonly Message[], pending: readonly PendingSend[]): ThreadEntry[] {
  const entries: ThreadEntry[] = [];
  let before: Message | undefined;
  for (const message of messages) {
    const newDay = before === undefined || localDay(before.time) !== localDay(message.time);
    if (newDay) entries.push({ kind: 'day', key: `day-${message.id}`, time: message.time });
    entries.push({
      kind: 'message',
      key: message.id,
      message,
      follows: !newDay && before !== undefined && standsWith(before, message),
    });
    before = message;
  }
  for (const send of withoutArrived(messages, pending)) entries.push({ kind: 'pending', key: send.key, send });
  return entries;
}

/**
 * The event of a send may arrive before its answer; then only the text shows that they are the same. Each message matches
 * at most one send.
 */
function withoutArrived(messages: readonly Message[], pending: readonly PendingSend[]): PendingSend[] {
  const taken = new Set<string>();
  return pending.filter((send) => {
    const arrived = messages.find(
      (message) =>
        isOwn(message) && !send.known.has(message.id) && !taken.has(message.id) && message.body === send.request.body,
    );
    if (arrived !== undefined) taken.add(arrived.id);
    return arrived === undefined || send.state === 'refused';
  });
}

function standsWith(before: Message, message: Message): boolean {
  const isNear = Math.abs(Date.parse(message.time) - Date.parse(before.time)) < nearMs;
  const sameSender = isOwn(before) === isOwn(message) && before.from.address === message.from.address;
  return isNear && sameSender && before.messageClass === message.messageClass && message.subject === null;
}
