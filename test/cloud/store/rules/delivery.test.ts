// The delivery table: every state × every event, in the rule itself and in what the store's writes make of it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageRecord } from '../../../../cloud/store/message-store.ts';
import {
  type DeliveryEvent,
  type DeliveryState,
  type FolderEvent,
  moveOf,
  type SendEvent,
  stateAfter,
  transitions,
} from '../../../../cloud/store/rules/delivery.ts';
import { moveSend, putMessage, type StoredMessage } from '../../../../cloud/store/rules/message-rules.ts';
import { messageFolders } from '../../../../protocol/actions.ts';
import { type MessageState, messageStates } from '../../../../protocol/model.ts';
import { messageId, phoneMessage, send } from '../../../contract/messages.ts';

const columns = ['new', 'received', 'queued', 'sending', 'sent', 'failed', 'unknown'] as const;

/** A dot: the event changes nothing. */
const expected: Record<DeliveryEvent, string> = {
  //                     new      received queued   sending  sent     failed   unknown
  begun: '                .        .        sending  .        .        .        .',
  taken: '                .        .        sent     sent     .        .        sent',
  refused: '              .        .        failed   failed   .        .        .',
  held: '                 .        .        queued   queued   .        .        .',
  dropped: '              .        .        failed   .        .        .        .',
  explained: '            .        .        queued   .        .        .        .',
  pending: '              .        .        sending  sending  .        .        .',
  lost: '                 .        .        .        .        .        .        .',
  undecided: '            .        .        unknown  unknown  .        .        .',
  expired: '              .        .        failed   unknown  .        .        .',
  'shown in Outgoing': '  sending  sending  sending  sending  sent     failed   sending',
  'shown in Sent': '      sent     sent     sent     sent     sent     sent     sent',
  'shown in Received': '  received received received received received received received',
  'shown in Deleted': '   received .        .        .        .        .        .',
  'shown in ClosedSession': 'received .     .        .        .        .        .',
};

const events = Object.keys(expected) as DeliveryEvent[];
const cells = events.flatMap((event) => {
  const ends = expected[event].trim().split(/\s+/);
  return columns.map((state, index) => ({ state, event, end: ends[index] === '.' ? undefined : ends[index] }));
});

const recordIn = (state: MessageState): MessageRecord => ({ ...send(messageId(1)), state, stateReason: 'before' });

function show(current: StoredMessage, event: FolderEvent) {
  const folder = messageFolders.find((each) => event === `shown in ${each}`) ?? expect.fail(event);
  const message = phoneMessage({ folder });
  const write = { type: 'message.put', id: messageId(1), phone: 'p_1', epoch: 0, session: null, message } as const;
  return putMessage(current, { ...write, fingerprint: 'f' }, 'home');
}

function learn(current: MessageRecord, event: SendEvent) {
  const move = moveOf(event, current.state);
  return move && moveSend(current, { type: 'send.move', id: current.id, ...move });
}

describe('the delivery table', () => {
  it('has every event in every state', () => {
    expect([...columns].slice(1).sort()).toEqual([...messageStates].sort());
    expect(Object.keys(transitions).sort()).toEqual([...events].sort());
    expect(cells).toHaveLength(7 * 15);
  });

  it.each(cells)('$state × $event → $end', ({ state, event, end }) => {
    expect(stateAfter(state, event)).toBe(end);
  });

  it.each(cells.filter(({ event }) => event.startsWith('shown')))(
    'is what the store makes of a message that is $event: $state → $end',
    ({ state, event, end }) => {
      const current = state === 'new' ? undefined : recordIn(state);
      const next = show(current, event as FolderEvent)?.next;
      expect(next?.state).toBe(end ?? state);
      expect(next?.stateReason).toBe(next?.state === current?.state ? current?.stateReason : undefined);
    },
  );

  it.each(
    cells.filter((cell): cell is (typeof cells)[number] & { state: MessageState; event: SendEvent } => {
      return cell.state !== 'new' && !cell.event.startsWith('shown');
    }),
  )('is what the store makes of a send that is $event: $state → $end', ({ state, event, end }) => {
    const change = learn(recordIn(state), event);
    expect(change?.next.state).toBe(end);
    if (end === 'sent') expect(change?.next.folder).toBe('Sent');
  });

  it('lets a move apply exactly where its event leads to the same end', () => {
    for (const event of events.filter((each): each is SendEvent => !each.startsWith('shown'))) {
      for (const state of messageStates) {
        const move = moveOf(event, state);
        if (move === undefined) continue;
        expect(move.from).toContain(state);
        for (const other of messageStates) {
          expect(move.from.includes(other)).toBe(stateAfter(other, event) === move.to);
        }
      }
    }
  });

  it('never makes a send that left the open states one to be tried, unless its phone lists it as such', () => {
    const settled = ['sent', 'failed', 'unknown'] as const;
    for (const event of events.filter((each) => each !== 'shown in Outgoing')) {
      for (const state of settled) expect(['queued', 'sending']).not.toContain(stateAfter(state, event) ?? state);
    }
  });

  it('keeps a send sent, whatever comes after it, as long as its phone does not call it received', () => {
    const later = fc.constantFrom(...events.filter((event) => event !== 'shown in Received'));
    fc.assert(
      fc.property(fc.array(later), (history) => {
        const step = (state: DeliveryState, event: DeliveryEvent) => stateAfter(state, event) ?? state;
        expect(history.reduce(step, 'sent')).toBe('sent');
      }),
    );
  });
});
