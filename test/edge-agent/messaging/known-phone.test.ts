// Property tests of conclusions from a phone's lists: whatever lists a phone shows in sequence, each message keeps one
// identifier, and no identifier ever names two messages.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KnownItem } from '../../../edge-agent/messaging/known-messages.ts';
import { KnownPhone, type ListEnd, type PhoneMemory } from '../../../edge-agent/messaging/known-phone.ts';
import type { EdgeEvent, InventoryItem } from '../../../protocol/frames.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';

const udn = 'uuid:phone-1';
const minuteMs = 60_000;

/** The journal and the cloud as a KnownPhone sees them. */
class World {
  nowMs = Date.UTC(2026, 11, 1);
  items = new Map<string, KnownItem>();
  epoch = 0;
  comparedStore: string | undefined = 'store';
  readonly events: EdgeEvent[] = [];
  readonly cloud = new Map<string, InventoryItem & { message: PhoneMessage }>();
  known = this.#open();

  /** One complete list, and a second one right after if it needs confirmation. */
  list(messages: readonly PhoneMessage[]): void {
    while (this.look(messages) !== undefined);
  }

  /** One complete list in batches. Returns when to list again. */
  look(messages: readonly PhoneMessage[], listed: ListEnd = { isComplete: true }): number | undefined {
    const look = this.known.beginList({ whole: true, recovered: false });
    for (let from = 0; from < messages.length; from += 3) {
      look.take(messages.slice(from, from + 3).map((message) => ({ message, xml: '<m/>' })));
    }
    return look.end(listed).confirmAfterMs;
  }

  glance(...messages: PhoneMessage[]): boolean {
    const look = this.known.beginList({ whole: false, recovered: false });
    look.take(messages.map((message) => ({ message, xml: '<m/>' })));
    return look.end({ isComplete: false }).needsWhole;
  }

  restart(): void {
    this.known = this.#open();
  }

  loseJournal(): void {
    this.items.clear();
    this.epoch = 0;
    this.comparedStore = undefined;
    this.restart();
    const inventory = [...this.cloud.values()].map(({ message: _, ...item }) => item);
    this.known.compareWith('store', inventory);
  }

  #open(): KnownPhone {
    const memory: PhoneMemory = {
      readPhone: () => ({ epoch: this.epoch, comparedStore: this.comparedStore }),
      messagesOf: () => [...this.items.values()],
      sessionsOf: () => [],
      joinableSends: () => [],
      record: (_udn, change) => {
        this.epoch = change.epoch ?? this.epoch;
        this.comparedStore = change.comparedStore ?? this.comparedStore;
        for (const id of change.forgottenIds ?? []) this.items.delete(id);
        for (const { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted } of change.putMessages ?? []) {
          this.items.set(id, { id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted });
        }
        for (const event of change.events) this.#onEvent(event);
      },
    };
    const known = new KnownPhone({ udn, memory, now: () => this.nowMs, confirmMs: 0 });
    known.load();
    return known;
  }

  #onEvent(event: EdgeEvent): void {
    this.events.push(event);
    if (event.type === 'message.put') {
      const { id, epoch, fingerprint, message } = event;
      this.cloud.set(id, { id, epoch, fingerprint, messageId: message.messageId, message });
    }
    if (event.type === 'message.deleted') {
      const item = this.cloud.get(event.id);
      if (item === undefined) throw new Error('What was never told is deleted.');
      this.cloud.set(event.id, { ...item, absent: true, ...(event.requested && { deleted: true as const }) });
    }
  }

  /** Identifiers that the cloud shows as present on the phone. */
  get present(): string[] {
    return [...this.cloud.values()].filter(({ absent }) => absent !== true).map(({ id }) => id);
  }
}

/** Identifies a message for the test only: the content type is not evidence. */
const truth = (message: PhoneMessage) => message.contentType;

/** A phone with every kind of reset and correction. */
class Phone {
  messages: PhoneMessage[] = [];
  readonly #cards: PhoneMessage[][] = [];
  #admission = 0;
  #lastId = 0;

  arrive(isUnique: boolean, sender: number): void {
    const number = ++this.#admission;
    // No two messages are a whole number of quarter hours apart, so no test depends on ambiguous evidence.
    const time = new Date(Date.UTC(2026, 10, 1) + number * 97 * minuteMs + number ** 2 * 7123).toISOString();
    const body = isUnique ? `Unique ${number}` : 'OK';
    const from = { address: `+39011000${sender}` };
    const messageId = String(++this.#lastId);
    this.messages.push(sampleMessage({ messageId, body, from, time, contentType: `text/plain; n=${number}` }));
  }

  delete(index: number): void {
    if (this.messages.length > 0) this.messages.splice(index % this.messages.length, 1);
  }

  change(change: (message: PhoneMessage) => Partial<PhoneMessage>): void {
    this.messages = this.messages.map((message) => ({ ...message, ...change(message) }));
  }

  /** Identifiers restart; at least one new message differs from all old ones. */
  reset(count: number): void {
    this.#cards.push(this.messages);
    this.messages = [];
    this.#lastId = 0;
    for (let n = 0; n < count; n++) this.arrive(n === 0, 1);
  }

  /** The old storage returns. */
  returnCard(index: number): void {
    const card = this.#cards.splice(index % Math.max(1, this.#cards.length), 1)[0];
    if (card === undefined) return;
    this.#cards.push(this.messages);
    this.messages = card;
    this.#lastId = Math.max(this.#lastId, ...card.map(({ messageId }) => Number(messageId)));
  }

  renumber(): void {
    this.messages = this.messages.map((message) => ({ ...message, messageId: String(++this.#lastId) }));
  }

  reuseSlot(index: number): void {
    const gone = this.messages[index % Math.max(1, this.messages.length)];
    if (gone === undefined) return;
    this.arrive(true, 2);
    const came = this.messages.pop();
    this.messages = this.messages.map((message) =>
      message === gone && came !== undefined ? { ...came, messageId: gone.messageId } : message,
    );
  }
}

const shift = (message: PhoneMessage, ms: number) => ({ time: new Date(Date.parse(message.time) + ms).toISOString() });

type Step = (phone: Phone, world: World) => void;
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 3 })).map(
    ([isUnique, sender]): Step =>
      (phone) => {
        phone.arrive(isUnique, sender);
      },
  ),
  fc.nat(9).map(
    (index): Step =>
      (phone) =>
        phone.delete(index),
  ),
  fc.integer({ min: 1, max: 4 }).map(
    (count): Step =>
      (phone) =>
        phone.reset(count),
  ),
  fc.nat(3).map(
    (index): Step =>
      (phone) =>
        phone.returnCard(index),
  ),
  fc.nat(9).map(
    (index): Step =>
      (phone) =>
        phone.reuseSlot(index),
  ),
  fc.integer({ min: -20, max: 20 }).map(
    (quarters): Step =>
      (phone) => {
        phone.change((message) => shift(message, quarters * 15 * minuteMs));
      },
  ),
  fc.integer({ min: -1e10, max: 1e10 }).map(
    (ms): Step =>
      (phone) =>
        phone.change((message) => shift(message, ms)),
  ),
  fc.constantFrom<Step>(
    (phone) => phone.change(({ time }) => ({ time: `${time.slice(0, 19)}.000Z` })),
    (phone) => phone.change(({ from }) => ({ from: { address: from.address.replace(/^\+/, '00') } })),
    (phone) => phone.change(({ from }) => ({ from: { address: from.address.replace(/^00/, '+') } })),
    (phone) => phone.change(({ from }) => ({ from: { ...from, displayName: `Contact ${from.address.at(-1)}` } })),
    (phone) => phone.change(({ from }) => ({ from: { address: `Contact ${from.address.at(-1)}` } })),
    (phone) => phone.change(() => ({ messageClass: 'MMS' })),
    (phone) => phone.change(() => ({ status: 'Read' })),
    (phone) => phone.change(() => ({ folder: 'Deleted' })),
    (phone) => phone.renumber(),
    (_phone, world) => world.restart(),
    (_phone, world) => world.loseJournal(),
    (_phone, world) => {
      world.nowMs += 11 * minuteMs;
    },
  ),
);
/** Faulty answers before the correct one. */
const hiccup = fc.constantFrom<(phone: Phone, world: World) => void>(
  () => {},
  (_phone, world) => void world.look([]),
  (phone, world) => void world.look(phone.messages.slice(0, 2)),
  (phone, world) => void world.look(phone.messages.slice(0, 2), { isComplete: false }),
  (phone, world) => void world.glance(...phone.messages.slice(-1)),
);

describe('any sequence of lists, resets and corrections', () => {
  it('keeps each message once under one identifier, and no identifier with two', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(step, hiccup), { minLength: 1, maxLength: 25 }), (steps) => {
        const phone = new Phone();
        const world = new World();
        const idOf = new Map<string, string>();
        for (const [happen, stumble] of steps) {
          happen(phone, world);
          stumble(phone, world);
          world.list(phone.messages);
          for (const { id, message } of world.cloud.values()) {
            expect(idOf.get(truth(message)) ?? id).toBe(id);
            idOf.set(truth(message), id);
          }
          const held = phone.messages.map((message) => idOf.get(truth(message)) ?? 'never told');
          expect(world.present.sort()).toEqual(held.sort());
        }
        expect(new Set(idOf.values()).size).toBe(world.cloud.size);
        const shown = [...world.cloud.values()].filter(({ absent }) => absent !== true).map(({ message }) => message);
        const byTruth = (a: PhoneMessage, b: PhoneMessage) => truth(a).localeCompare(truth(b));
        expect(shown.sort(byTruth)).toEqual([...phone.messages].sort(byTruth));
      }),
      { numRuns: 500 },
    );
  });

  it('reports nothing for an unchanged list', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const phone = new Phone();
        const world = new World();
        for (const happen of steps) happen(phone, world);
        world.list(phone.messages);
        const told = world.events.length;
        world.list(phone.messages);
        world.restart();
        world.list(phone.messages);
        expect(world.events.slice(told)).toEqual([]);
      }),
    );
  });
});
