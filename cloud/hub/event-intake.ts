// The events that come up a tunnel: judged, stored, and only then acknowledged, in order (protocol/README.md).
import type { GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, SequencedEvent } from '../../protocol/frames.ts';
import { BackOff } from '../../shared/back-off.ts';
import type { Write } from '../store/store.ts';
import { type StoredEvent, type TermedEvent, toStoredEvent } from './edge-events.ts';
import type { HubDeps } from './hub-deps.ts';
import type { PhoneRegistry } from './phone-registry.ts';
import { isUnavailable, storeAbsenceTimes } from './store-absence.ts';

/** The home whose events they are. */
export interface IntakeHome {
  readonly id: string;
  readonly phoneRegistry: PhoneRegistry;
  /** `onStored` runs as soon as the writes are durable, before the watchers hear of them. */
  commit(writes: readonly Write[], onStored?: () => void): Promise<unknown>;
}

/** The tunnel that they come up. */
export interface IntakeTunnel {
  /** Up to here everything is stored, or refused for good. */
  readonly ackedSeq: number;
  /** Tells the agent that everything up to here is; a number that was passed already changes nothing. */
  acknowledge(seq: number): void;
  send(frame: CloudFrame): void;
  /** Something of this phone has just come up. */
  noteActivity(udn: string): void;
}

export class EventIntake {
  readonly #tunnel: IntakeTunnel;
  readonly #home: IntakeHome;
  readonly #deps: Pick<HubDeps, 'clock' | 'log'>;
  readonly #nakBackOff = new BackOff(storeAbsenceTimes);
  /** After a nak, everything behind it is passed over until the agent sends again from there. */
  #nakedSeq: number | undefined;

  constructor(tunnel: IntakeTunnel, home: IntakeHome, deps: Pick<HubDeps, 'clock' | 'log'>) {
    this.#tunnel = tunnel;
    this.#home = home;
    this.#deps = deps;
  }

  /** The phones of the home are known by now, unless all of the events are proofs; no other take is under way. */
  async take(events: readonly SequencedEvent[]): Promise<void> {
    const fresh = events.filter((event) => event.seq > this.#tunnel.ackedSeq);
    const first = fresh[0];
    if (first === undefined) {
      // All of it is stored: the acknowledgement was lost on its way.
      this.#tunnel.send({ type: 'ack', seq: this.#tunnel.ackedSeq });
      return;
    }
    if (this.#nakedSeq !== undefined && first.seq > this.#nakedSeq) return;
    this.#nakedSeq = undefined;
    const writes: StoredEvent[] = [];
    const refused: TermedEvent[] = [];
    for (const event of fresh) {
      const judged = toStoredEvent(event, this.#home.phoneRegistry, this.#deps.clock.now());
      if ('write' in judged) writes.push(judged);
      else refused.push(judged);
    }
    const last = fresh.at(-1) ?? first;
    try {
      await this.#commit(writes, () => this.#acknowledge(last.seq, refused));
      this.#nakBackOff.reset();
    } catch (error) {
      if (isUnavailable(error)) this.#refuseForNow(first.seq, error);
      else await this.#storeOneByOne(writes, refused, last.seq);
    }
  }

  /** When a batch cannot be stored as a whole: one event that never can must not hold up the others. */
  async #storeOneByOne(writes: readonly StoredEvent[], refused: TermedEvent[], lastSeq: number): Promise<void> {
    for (const event of writes) {
      const { seq } = event;
      try {
        await this.#commit([event], () => undefined);
      } catch (error) {
        if (isUnavailable(error)) {
          this.#acknowledge(seq - 1, refused);
          this.#refuseForNow(seq, error);
          return;
        }
        this.#deps.log.error('tunnel.event-refused', { home: this.#home.id, seq, error: String(error) });
        refused.push({ seq, code: 'internal', reason: 'The store cannot hold this event.' });
      }
    }
    this.#acknowledge(lastSeq, refused);
  }

  async #commit(writes: readonly StoredEvent[], onStored: () => void): Promise<void> {
    const kept = writes.map(({ write }) => write).filter((write) => write !== undefined);
    if (kept.length === 0) onStored();
    else await this.#home.commit(kept, onStored);
    const last = writes.at(-1);
    if (last !== undefined) this.#tunnel.noteActivity(last.udn);
  }

  #acknowledge(seq: number, refused: readonly TermedEvent[]): void {
    for (const refusal of refused) this.#tunnel.send({ type: 'term', ...refusal });
    this.#tunnel.acknowledge(seq);
  }

  #refuseForNow(seq: number, error: GatewayError): void {
    this.#nakedSeq = seq;
    const delayMs = Math.max(error.retryAfterMs ?? 0, this.#nakBackOff.nextMs());
    this.#tunnel.send({ type: 'nak', seq, delayMs, reason: error.message });
  }
}
