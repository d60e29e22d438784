import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareMessages, type Looking } from '../../../edge-agent/messaging/known-messages.ts';
import type { InventoryItem } from '../../../protocol/frames.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';

const udn = 'uuid:phone-1';
const at = (second: number) => new Date(Date.UTC(2026, 10, 22, 19, 0, second)).toISOString();

function messageOf(messageId: string, more: Partial<PhoneMessage> = {}): PhoneMessage {
  return sampleMessage({ messageId, time: at(1), ...more });
}

function look(messages: readonly PhoneMessage[], more: Partial<Looking> = {}) {
  return compareMessages(
    messages.map((message) => ({ message, xml: '' })),
    {
      udn,
      epoch: 0,
      known: new Map(),
      former: new Set(),
      openSends: [],
      sessionKeyOf: (sessionId) => `s_${sessionId}`,
      whole: true,
      recovered: false,
      nowMs: Date.UTC(2026, 0, 1),
      ...more,
    },
  );
}

/** What is known after a look, as the synchroniser keeps it. */
function knownAfter(result: ReturnType<typeof look>, before: ReadonlyMap<string, InventoryItem> = new Map()) {
  const known = new Map(before);
  for (const messageId of result.gone) known.delete(messageId);
  for (const { xml: _, ...item } of result.put) known.set(item.messageId, item);
  return known;
}

const arbitraryMessage = fc
  .record({
    messageId: fc.constantFrom('1', '2', '3', '4', '5'),
    body: fc.constantFrom('a', 'b'),
    from: fc.record({ address: fc.constantFrom('+1', '+2') }),
    status: fc.constantFrom('Read' as const, 'Unread' as const),
    time: fc.constantFrom(at(1), at(2)),
  })
  .map(({ messageId, ...more }) => messageOf(messageId, more));
const arbitraryList = fc.uniqueArray(arbitraryMessage, { selector: (message) => message.messageId });

describe('comparing', () => {
  it('says nothing about a list that it has seen', () => {
    fc.assert(
      fc.property(arbitraryList, (list) => {
        const first = look(list);
        const again = look(list, { known: knownAfter(first), epoch: first.epoch });
        expect(again.events).toEqual([]);
        expect(again.gone).toEqual([]);
      }),
    );
  });

  it('leaves the cloud with the phone’s list, whatever happened in between', () => {
    fc.assert(
      fc.property(fc.array(arbitraryList, { minLength: 1, maxLength: 6 }), (lists) => {
        let known = new Map<string, InventoryItem>();
        let epoch = 0;
        const cloud = new Map<string, PhoneMessage>();
        const kept = new Set<string>();
        for (const list of lists) {
          const result = look(list, { known, epoch });
          for (const event of result.events) {
            if (event.type === 'message.put') cloud.set(event.id, event.message);
            if (event.type === 'message.deleted') cloud.delete(event.id);
          }
          const after = knownAfter(result, known);
          // What a reset took away stays in the cloud as history.
          if (result.epoch > epoch) {
            for (const { id } of known.values()) if (![...after.values()].some((item) => item.id === id)) kept.add(id);
          }
          known = after;
          epoch = result.epoch;
        }
        const present = [...cloud].filter(([id]) => !kept.has(id)).map(([, message]) => message);
        const byId = (a: PhoneMessage, b: PhoneMessage) => a.messageId.localeCompare(b.messageId);
        expect(present.sort(byId)).toEqual([...(lists.at(-1) ?? [])].sort(byId));
      }),
    );
  });

  it('concludes no deletion from a part of the list', () => {
    const known = knownAfter(look([messageOf('1'), messageOf('2')]));
    expect(look([messageOf('2')], { known, whole: false }).events).toEqual([]);
  });

  it('takes a message that a list names twice once', () => {
    expect(look([messageOf('1'), messageOf('1')]).events).toHaveLength(1);
  });

  it('gives a message without a time the moment at which it was first seen, and keeps it', () => {
    const timeless = messageOf('1', { time: '1970-01-01T00:00:00.000Z' });
    const first = look([timeless]);
    expect(first.events[0]).toMatchObject({ message: { time: '2026-01-01T00:00:00.000Z' } });
    const later = look([{ ...timeless, status: 'Read' }], { known: knownAfter(first), nowMs: Date.UTC(2027, 0, 1) });
    expect(later.events[0]).toMatchObject({ message: { time: '2026-01-01T00:00:00.000Z', status: 'Read' } });
  });

  it('keeps the history of an epoch that only the cloud remembers', () => {
    const known = knownAfter(look([messageOf('1'), messageOf('2')]));
    expect(look([], { known, former: new Set(['1']) }).events).toMatchObject([{ type: 'message.deleted' }]);
  });

  it('takes each open send for one message at most', () => {
    const openSends = ['m_A', 'm_B'].map((key) => ({ key, message: messageOf('', { folder: 'Outgoing' }) }));
    const sent = ['1', '2', '3'].map((id) => messageOf(id, { folder: 'Sent', time: at(Number(id)) }));
    const result = look(sent, { openSends });
    expect([...result.settled]).toEqual([
      ['m_A', '1'],
      ['m_B', '2'],
    ]);
    expect(new Set(result.put.map((item) => item.id)).size).toBe(3);
    expect(look([messageOf('9')], { openSends }).settled.size).toBe(0);
  });
});
