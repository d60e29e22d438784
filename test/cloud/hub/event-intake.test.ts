import { beforeEach, describe, expect, it } from 'vitest';
import { EventIntake } from '../../../cloud/hub/event-intake.ts';
import { PhoneRegistry } from '../../../cloud/hub/phone-registry.ts';
import type { PhoneRecord } from '../../../cloud/store/phone-store.ts';
import type { Store, Write } from '../../../cloud/store/store.ts';
import { GatewayError } from '../../../protocol/errors.ts';
import type { CloudFrame, SequencedEvent } from '../../../protocol/frames.ts';
import { presence } from '../../contract/messages.ts';
import { put, settled, udn, unavailable } from './hub-harness.ts';

const phone = (id: string, ofUdn: string, approved: boolean): PhoneRecord => {
  const { name, deviceType, address, epoch } = presence(ofUdn);
  return { id, udn: ofUdn, name, deviceType, address, epoch, approved };
};
const stranger = 'uuid:phone-2';
const phones = [phone('p_1', udn, true), phone('p_2', stranger, false)];

/** The tunnel and the home of an intake: records the frames to the agent and the commits to the store. */
class Ends {
  ackedSeq = 0;
  /** Terms, naks and acks in their order: `term 2`, `ack 3`. */
  told: string[] = [];
  frames: CloudFrame[] = [];
  active: string[] = [];
  logged: unknown[] = [];
  /** The sequence numbers that each commit held. */
  commits: number[][] = [];
  stored: number[] = [];
  /** What the store throws for these sequence numbers. */
  fault: (seqs: readonly number[]) => Error | undefined = () => undefined;
  /** A commit is durable after this, and its watchers are told after that. */
  durable: Promise<void> = Promise.resolve();
  published: Promise<void> = Promise.resolve();
  readonly id = 'home';
  readonly phoneRegistry = new PhoneRegistry('home', {} as Store, { online: [], phones });

  acknowledge(seq: number): void {
    if (seq <= this.ackedSeq) return;
    this.ackedSeq = seq;
    this.told.push(`ack ${seq}`);
  }

  send(frame: CloudFrame): void {
    this.frames.push(frame);
    if ('seq' in frame) this.told.push(`${frame.type} ${frame.seq}`);
  }

  noteActivity(of: string): void {
    this.active.push(of);
  }

  async commit(writes: readonly Write[], onStored?: () => void): Promise<void> {
    const seqs = writes.flatMap((write) => (write.type === 'message.put' ? [Number(write.id.slice(2))] : []));
    this.commits.push(seqs);
    await this.durable;
    const fault = this.fault(seqs);
    if (fault !== undefined) throw fault;
    this.stored.push(...seqs);
    onStored?.();
    await this.published;
  }

  get delaysMs(): number[] {
    return this.frames.flatMap((frame) => (frame.type === 'nak' ? [frame.delayMs] : []));
  }
}

let ends: Ends;
let intake: EventIntake;
beforeEach(() => {
  ends = new Ends();
  const log = (event: string, about?: object) => void ends.logged.push([event, about]);
  intake = new EventIntake(ends, ends, { clock: Date, log: { info: log, warn: log, error: log } });
});

const sequenced = (seq: number, event: unknown): SequencedEvent => ({ seq, time: '2026-11-22T12:00:00.000Z', event });
/** A message for each sequence number, under the same number. */
const messages = (...seqs: number[]) => seqs.map((seq) => sequenced(seq, put(seq)));

describe('acknowledging', () => {
  it('waits for the store, and for no watcher', async () => {
    const durable = Promise.withResolvers<void>();
    const published = Promise.withResolvers<void>();
    ends.durable = durable.promise;
    ends.published = published.promise;
    const taking = intake.take(messages(1, 2));
    await settled(() => ends.commits.length === 1);
    expect(ends.told).toEqual([]);
    durable.resolve();
    await settled(() => ends.stored.length === 2);
    expect(ends.told).toEqual(['ack 2']);
    published.resolve();
    await taking;
    expect(ends.commits).toEqual([[1, 2]]);
  });

  it('repeats a lost acknowledgement without asking the store', async () => {
    await intake.take(messages(1, 2));
    await intake.take(messages(1, 2));
    expect(ends.told).toEqual(['ack 2', 'ack 2']);
    expect(ends.commits).toEqual([[1, 2]]);
  });

  it('stores only the events of a batch that are not acknowledged yet', async () => {
    await intake.take(messages(1, 2));
    await intake.take(messages(1, 2, 3));
    expect(ends.commits).toEqual([[1, 2], [3]]);
    expect(ends.ackedSeq).toBe(3);
  });

  it('needs no store for an event that only shows that a phone answers', async () => {
    await intake.take([sequenced(1, { type: 'phone.answered', udn, epoch: 0 })]);
    expect(ends).toMatchObject({ told: ['ack 1'], commits: [], active: [udn] });
  });

  it('notes the activity of a phone only after its event is stored', async () => {
    ends.fault = unavailable;
    await intake.take(messages(1));
    expect(ends.active).toEqual([]);
    ends.fault = () => undefined;
    await intake.take(messages(1));
    expect(ends.active).toEqual([udn]);
  });
});

describe('an event that can never be stored', () => {
  it.each([
    ['is no object', 'text', 'frame-malformed'],
    ['is of no known type', { type: 'message.sung', udn, epoch: 0 }, 'frame-malformed'],
    ['is of a phone that nobody approved', { ...put(2), udn: stranger }, 'phone-not-approved'],
    ['is of a phone that the home does not know', { ...put(2), udn: 'uuid:phone-3' }, 'phone-not-approved'],
  ])('is refused alone: it %s', async (_, event, code) => {
    await intake.take([...messages(1), sequenced(2, event), ...messages(3)]);
    expect(ends.told).toEqual(['term 2', 'ack 3']);
    expect(ends.frames).toMatchObject([{ type: 'term', seq: 2, code }]);
    expect(ends.stored).toEqual([1, 3]);
  });

  it('is acknowledged without a commit where it is alone in its batch', async () => {
    await intake.take([sequenced(1, null)]);
    expect(ends).toMatchObject({ told: ['term 1', 'ack 1'], commits: [] });
  });

  it('does not hold up the others of a batch that the store refuses as a whole', async () => {
    ends.fault = (seqs) => (seqs.includes(2) ? new Error('too large') : undefined);
    await intake.take([...messages(1, 2, 3), sequenced(4, null)]);
    expect(ends.commits).toEqual([[1, 2, 3], [1], [2], [3]]);
    expect(ends.told).toEqual(['term 4', 'term 2', 'ack 4']);
    expect(ends.frames).toContainEqual(expect.objectContaining({ type: 'term', seq: 2, code: 'internal' }));
    expect(ends.logged).toEqual([['tunnel.event-refused', { home: 'home', seq: 2, error: 'Error: too large' }]]);
  });
});

describe('while the store is away', () => {
  beforeEach(() => {
    ends.fault = unavailable;
  });

  it('nothing is acknowledged or refused, and the agent is told when to send again', async () => {
    await intake.take([...messages(1), sequenced(2, null)]);
    expect(ends.told).toEqual(['nak 1']);
    expect(ends.frames).toEqual([{ type: 'nak', seq: 1, delayMs: 500, reason: unavailable().message }]);
  });

  it('events behind a nak are passed over until the agent sends again from there', async () => {
    await intake.take(messages(1, 2));
    ends.fault = () => undefined;
    await intake.take(messages(3));
    expect(ends).toMatchObject({ told: ['nak 1'], stored: [] });
    await intake.take(messages(1, 2, 3));
    await intake.take(messages(4));
    expect(ends).toMatchObject({ told: ['nak 1', 'ack 3', 'ack 4'], stored: [1, 2, 3, 4] });
  });

  it('each nak asks for a longer wait, up to 30 seconds, and a stored batch starts over', async () => {
    for (let round = 0; round < 8; round++) await intake.take(messages(1));
    expect(ends.delaysMs).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    ends.fault = () => undefined;
    await intake.take(messages(1));
    ends.fault = unavailable;
    await intake.take(messages(2));
    expect(ends.delaysMs.at(-1)).toBe(500);
  });

  it('a store that names a longer wait is given it', async () => {
    ends.fault = () => new GatewayError('store-unavailable', 'Throttled.', { retryAfterMs: 7_000 });
    await intake.take(messages(1));
    expect(ends.delaysMs).toEqual([7_000]);
  });

  it('a batch that is stored one by one is acknowledged as far as the store came', async () => {
    ends.fault = (seqs) => {
      if (seqs.length > 1) return new Error('too large');
      return seqs[0] === 3 ? unavailable() : undefined;
    };
    await intake.take(messages(1, 2, 3, 4));
    expect(ends).toMatchObject({ told: ['ack 2', 'nak 3'], stored: [1, 2] });
    ends.fault = () => undefined;
    await intake.take(messages(3, 4));
    expect(ends).toMatchObject({ ackedSeq: 4, stored: [1, 2, 3, 4] });
  });
});
