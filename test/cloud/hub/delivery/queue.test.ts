// What holds for every course of sends, answers, losses, crashes and outages: no message twice, none lost, order kept.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SendQueue } from '../../../../cloud/hub/delivery/queue.ts';
import type { HubDeps } from '../../../../cloud/hub/hub-deps.ts';
import type { CallAnswer, PhoneCall, SendOutcome } from '../../../../cloud/hub/hubs.ts';
import type { MessageRecord } from '../../../../cloud/store/message-store.ts';
import type { PhoneRecord } from '../../../../cloud/store/phone-store.ts';
import { isOpen } from '../../../../cloud/store/rules/delivery.ts';
import { GatewayError } from '../../../../protocol/errors.ts';
import { messageId, send } from '../../../contract/messages.ts';
import { HubHarness, settled, unavailable } from '../hub-harness.ts';

/** What becomes of a call: `lost` answers come after the phone did it, `cut` calls never reach the agent. */
const answers = [
  'takes',
  'takes',
  'takes',
  'lost',
  'cut',
  'pending',
  'refuses',
  'full',
  'unreachable',
  'unknown',
] as const;
type Answer = (typeof answers)[number];

type Step =
  | { do: 'send'; to: number; failFast: boolean }
  | { do: 'repeat'; back: number }
  | { do: 'answer'; answer: Answer; turns: number }
  | { do: 'pass'; ms: number }
  | { do: 'turns'; count: number }
  | { do: 'crash' | 'leave' | 'return' | 'store fails' | 'store loses' | 'store works' };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send'), to: fc.nat(1), failFast: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repeat'), back: fc.nat(3) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('answer'), answer: fc.constantFrom(...answers), turns: fc.nat(3) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pass'), ms: fc.constantFrom(1_000, 5_000, 70_000) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('turns'), count: fc.constantFrom(1, 5, 20, 80) }) },
  { weight: 2, arbitrary: fc.constantFrom({ do: 'crash' }, { do: 'leave' }, { do: 'return' }) },
  { weight: 1, arbitrary: fc.constantFrom({ do: 'store fails' }, { do: 'store loses' }, { do: 'store works' }) },
);

/** A send waits in the store when the next one to the same people comes. */
const besideBacklog: Step[] = [
  { do: 'answer', answer: 'cut', turns: 0 },
  { do: 'send', to: 0, failFast: false },
  { do: 'turns', count: 80 },
  { do: 'send', to: 0, failFast: false },
  { do: 'turns', count: 80 },
];

const phone: PhoneRecord = {
  id: 'p_1',
  udn: 'uuid:1',
  name: 'Phone',
  deviceType: 'urn:phone',
  approved: true,
  address: '10.0.0.2:80',
  epoch: 0,
};

/** A home whose hub may crash, with a phone and an agent that answers a known key with its first outcome. */
class House {
  readonly #bench: HubHarness;
  readonly faults: string[] = [];
  /** By lane, the keys that the phone acted on, in order. */
  readonly acted = new Map<string, string[]>();
  readonly #done = new Map<string, Answer>();
  readonly plan: { answer: Answer; turns: number }[] = [];
  isHere = true;
  queue!: SendQueue;
  #life = 0;
  #inFlight = new Set<string>();
  #commits: Promise<unknown>[] = [];

  constructor(bench: HubHarness) {
    this.#bench = bench;
    this.#revive();
  }

  /** Nothing that the hub of before still does has an effect. What it handed to the store is done before the next begins. */
  async crash(): Promise<void> {
    this.#life++;
    this.#bench.clock.waiting.clear();
    await Promise.allSettled(this.#commits);
    this.#revive();
  }

  #revive(): void {
    const life = ++this.#life;
    const isAlive = () => this.#life === life;
    this.#inFlight = new Set();
    this.#commits = [];
    const { store, deadlines, ...rest } = this.#bench.deps;
    const deps: HubDeps = {
      ...rest,
      store,
      deadlines: { after: (ms, fire) => (isAlive() ? deadlines.after(ms, fire) : () => undefined) },
    };
    this.queue = new SendQueue('home', deps, {
      commit: (writes) => {
        if (!isAlive()) return new Promise(() => undefined);
        const commit = store.commit('home', writes);
        this.#commits.push(commit);
        return commit;
      },
      phoneFor: () => {
        if (this.isHere) return phone;
        throw new GatewayError('phone-offline', 'It is away.');
      },
      call: (call) => (isAlive() ? this.#call(call) : new Promise(() => undefined)),
      awaySinceMs: () => undefined,
    });
    if (this.isHere) this.queue.drain();
  }

  async #call({ key = '' }: PhoneCall): Promise<CallAnswer> {
    const record = await this.#bench.store.messages.get('home', key);
    const to = record?.to[0]?.address ?? '';
    if (record?.state !== 'sending') this.faults.push(`${key} is asked for while it is ${record?.state}`);
    if (this.#inFlight.has(to)) this.faults.push(`${key} is asked for beside another to ${to}`);
    const inFlight = this.#inFlight.add(to);
    const { answer, turns } = this.plan.shift() ?? { answer: 'takes', turns: 0 };
    try {
      const made = this.#act(key, to, answer);
      await turn(turns);
      if (made !== undefined) throw made;
      return { arguments: { MessageID: `phone-${key}` } };
    } finally {
      inFlight.delete(to);
    }
  }

  #act(key: string, to: string, answer: Answer): GatewayError | undefined {
    if (answer === 'cut') return new GatewayError('tunnel-lost', 'cut');
    const before = this.#done.get(key);
    if (before === undefined && (answer === 'full' || answer === 'refuses')) {
      const upnpCode = answer === 'full' ? 603 : 703;
      return new GatewayError('phone-refused', answer, { refusal: { upnpCode, upnpDescription: answer } });
    }
    if (before === undefined && answer === 'unreachable') return new GatewayError('phone-unreachable', answer);
    if (before === undefined) {
      this.#done.set(key, answer);
      this.acted.set(to, [...(this.acted.get(to) ?? []), key]);
    }
    if (answer === 'lost') return new GatewayError('deadline-exceeded', answer);
    if (answer === 'pending') return new GatewayError('outcome-pending', answer);
    if (answer === 'unknown' || before === 'unknown') return new GatewayError('outcome-unknown', answer);
    return undefined;
  }
}

describe('a queue of sends', () => {
  it('sends none twice, loses none and keeps their order, whatever happens', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 40 }), async (steps) => {
        const bench = new HubHarness();
        await bench.start();
        const house = new House(bench);
        const records: MessageRecord[] = [];
        const open = new Set<Promise<unknown>>();
        const outcomes: SendOutcome[] = [];
        const accepted = new Set<string>();
        const request = (record: MessageRecord, failFast: boolean) => {
          const answered = house.queue.send(record, failFast ? 'fail' : 'queue').then(
            (outcome) => {
              outcomes.push(outcome);
              accepted.add(record.id);
            },
            () => undefined,
          );
          open.add(answered);
          void answered.finally(() => open.delete(answered));
        };
        const take = async (each: Step): Promise<void> => {
          switch (each.do) {
            case 'send': {
              const to = [{ address: `+${each.to}` }];
              const record = send(messageId(records.length + 1), { phone: phone.id, to });
              records.push(record);
              request(record, each.failFast);
              break;
            }
            case 'repeat': {
              const record = records.at(-1 - each.back);
              if (record !== undefined) request(record, false);
              break;
            }
            case 'answer':
              house.plan.push(each);
              break;
            case 'pass':
              bench.clock.pass(each.ms);
              break;
            case 'turns':
              await turn(each.count);
              break;
            case 'crash':
              // Nobody is left to answer.
              open.clear();
              await house.crash();
              break;
            case 'leave':
              house.isHere = false;
              break;
            case 'return':
              house.isHere = true;
              house.queue.drain();
              break;
            case 'store fails':
              bench.fault = unavailable;
              break;
            case 'store loses':
              bench.lost = unavailable;
              break;
            case 'store works':
              bench.fault = undefined;
              bench.lost = undefined;
              break;
          }
        };
        for (const each of steps) await take(each);

        // All is well again.
        house.plan.length = 0;
        bench.fault = undefined;
        bench.lost = undefined;
        house.isHere = true;
        house.queue.drain();
        await settled(async () => {
          bench.clock.pass(60_000);
          await turn(1);
          return (
            open.size === 0 && (await bench.store.messages.openSends('home', ['queued', 'sending'], 1)).length === 0
          );
        });

        expect(house.faults).toEqual([]);
        const acted = [...house.acted.values()].flat();
        expect(new Set(acted).size).toBe(acted.length);
        for (const keys of house.acted.values()) {
          const stored = await Promise.all(keys.map((key) => bench.store.messages.get('home', key)));
          const order = stored.map((record) => record?.sendSeq ?? 0);
          expect(order).toEqual(order.toSorted((one, other) => one - other));
        }
        for (const { id } of records) {
          const stored = await bench.store.messages.get('home', id);
          if (accepted.has(id)) expect(stored).toBeDefined();
          if (stored === undefined) continue;
          expect(isOpen(stored.state)).toBe(false);
          if (stored.state === 'sent') expect(acted).toContain(id);
          if (stored.state === 'failed') expect(acted).not.toContain(id);
        }
        house.queue.stop();
        await bench.stop();
      }),
      { numRuns: 60, examples: [[besideBacklog]] },
    );
  });
});

/** Lets the event loop turn. */
async function turn(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}
