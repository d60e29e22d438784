// The invariants after a round: nothing lost, nothing duplicated, everything in order. Pure.
import type { HomeEvent, Message } from '../../protocol/model.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import type { SentLetter } from './client.ts';
import type { Delivery } from './phone.ts';

export interface Observed {
  /** The phone's identifiers of the messages that its line delivered. */
  readonly arrived: readonly string[];
  /** All messages of the phone, in its order. */
  readonly phone: readonly PhoneMessage[];
  readonly cloud: readonly Message[];
  readonly letters: readonly SentLetter[];
  readonly deliveries: readonly Delivery[];
  /** All stored events of the round. */
  readonly events: readonly HomeEvent[];
  /** The events that each reader saw, in order. */
  readonly readers: readonly (readonly HomeEvent[])[];
}

export interface Verdict {
  /** The number of messages from the line and from REST. */
  readonly received: number;
  readonly sent: number;
  readonly lost: number;
  readonly twice: number;
  readonly disordered: number;
  /** Sends of unknown outcome. */
  readonly unknown: number;
  /** Sends that are still in flight. */
  readonly unfinished: number;
  /** Events that a reader missed, saw out of order, or saw with two ids. */
  readonly misread: number;
  /** Descriptions of the first fault of each kind. */
  readonly faults: readonly string[];
  /** Descriptions of the first unknown sends. They are no faults, but worth an investigation. */
  readonly unknowns: readonly string[];
}

export function judge(observed: Observed): Verdict {
  const said: string[] = [];
  const counts = { lost: 0, twice: 0, disordered: 0, unknown: 0, unfinished: 0, misread: 0 };
  const find = (kind: keyof typeof counts, words: string) => {
    if (counts[kind]++ < 5) said.push(`${kind}: ${words}`);
  };
  judgeReceived(observed, find);
  judgeSent(observed, find);
  judgeReaders(observed, find);
  const received = observed.phone.filter((message) => message.folder === 'Received').length;
  const sent = observed.letters.filter(({ id }) => id !== undefined).length;
  const [unknowns = [], faults = []] = [true, false].map((is) =>
    said.filter((line) => line.startsWith('unknown') === is),
  );
  return { received, sent, ...counts, faults, unknowns };
}

type Find = (kind: 'lost' | 'twice' | 'disordered' | 'unknown' | 'unfinished' | 'misread', words: string) => void;

/** Every message of the phone is in the cloud exactly once and was reported exactly once, in order per sender. */
function judgeReceived({ arrived, phone, cloud, events }: Observed, find: Find): void {
  const held = phone.filter((message) => message.folder === 'Received');
  const heldIds = new Set(held.map(({ messageId }) => messageId));
  for (const messageId of arrived) if (!heldIds.has(messageId)) find('lost', `the phone forgot ${messageId}`);
  const inCloud = countBy(
    cloud.filter(({ state }) => state === 'received'),
    ({ messageId }) => messageId ?? '',
  );
  const told = events.filter((event) => event.type === 'message.received').map(({ data }) => data as Message);
  const toldCount = countBy(told, ({ messageId }) => messageId ?? '');
  for (const { messageId, body } of held) {
    const times = inCloud.get(messageId) ?? 0;
    if (times === 0) find('lost', `${messageId} “${body}” is not in the cloud`);
    if (times > 1) find('twice', `${messageId} “${body}” is in the cloud ${times} times`);
    const tellings = toldCount.get(messageId) ?? 0;
    if (tellings === 0) find('lost', `nobody was told of ${messageId} “${body}”`);
    if (tellings > 1) find('twice', `${messageId} “${body}” was told ${tellings} times`);
  }
  for (const messageId of inCloud.keys()) {
    if (!heldIds.has(messageId)) find('twice', `the cloud has ${messageId}, which the phone has not`);
  }
  const place = new Map(told.map(({ messageId }, index) => [messageId ?? '', index]));
  for (const [sender, messages] of Map.groupBy(held, ({ from }) => from.address)) {
    for (const [index, message] of messages.entries()) {
      const next = messages[index + 1];
      // A phone whose clock was set back reports the later message as the older one.
      if (next === undefined || next.time < message.time) continue;
      const [first, second] = [place.get(message.messageId), place.get(next.messageId)];
      // A message that was never reported is lost, not late.
      if (first !== undefined && second !== undefined && second < first)
        find('disordered', `${sender}: ${next.messageId} was told before ${message.messageId}`);
    }
  }
}

/** Every accepted send went out exactly once, or is `unknown`, or is `failed` and did not go out. */
function judgeSent({ letters, cloud, deliveries }: Observed, find: Find): void {
  const delivered = countBy(deliveries, ({ body }) => body);
  const sends = cloud.filter(({ state }) => state !== 'received');
  const byBody = Map.groupBy(sends, ({ body }) => body ?? '');
  for (const { id, body } of letters) {
    const times = delivered.get(body) ?? 0;
    if (times > 1) find('twice', `“${body}” went out ${times} times`);
    const stored = byBody.get(body) ?? [];
    if (stored.length > 1) {
      find('twice', `“${body}” is in the cloud as ${stored.map((each) => `${each.id} ${each.state}`).join(', ')}`);
    }
    const message = stored.find((each) => each.id === id) ?? stored[0];
    if (message === undefined) {
      if (id !== undefined) find('lost', `“${body}” was accepted as ${id} and is not in the cloud`);
      else if (times > 0) find('lost', `“${body}” went out and is not in the cloud`);
      continue;
    }
    if (message.state === 'unknown') find('unknown', `“${body}” ${times === 1 ? 'went out' : 'did not go out'}`);
    if (message.state === 'queued' || message.state === 'sending') {
      find('unfinished', `“${body}” is ${message.state}: ${message.stateReason ?? 'no reason'}`);
    }
    if (message.state === 'sent' && times === 0) find('lost', `“${body}” is sent and did not go out`);
    if (message.state === 'failed' && times > 0) find('lost', `“${body}” is failed and went out`);
  }
  for (const [to, list] of Map.groupBy(deliveries, (delivery) => delivery.to)) {
    const numbers = list.map(({ body }) => Number(body.split(' ')[1]));
    const at = numbers.findIndex((number, index) => index > 0 && number < (numbers[index - 1] ?? 0));
    if (at > 0) find('disordered', `${to}: ${numbers[at]} went out after ${numbers[at - 1]}`);
  }
}

/** Each reader saw every event once, in order, with one id. */
function judgeReaders({ events, readers }: Observed, find: Find): void {
  for (const [number, seen] of readers.entries()) {
    const ids = seen.map(({ id }) => id);
    const at = ids.findIndex((id, index) => index > 0 && id < (ids[index - 1] ?? ''));
    if (at > 0) find('misread', `reader ${number} saw ${ids[at]} after ${ids[at - 1]}`);
    const unique = new Set(ids);
    const missed = events.filter(({ id }) => !unique.has(id));
    for (const { id, type } of missed) find('misread', `reader ${number} missed ${type} ${id}`);
  }
}

function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}
