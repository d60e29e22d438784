// Events from the tunnel: checked, stored and only then acknowledged, in order (protocol/README.md).
import type { GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, SequencedEvent } from '../../protocol/frames.ts';
import { BackOff } from '../../shared/back-off.ts';
import type { Write } from '../store/store.ts';
import { type StoredEvent, type TermedEvent, toStoredEvent } from './edge-events.ts';
import type { HubDeps } from './hub-deps.ts';
import type { PhoneRegistry } from './phone-registry.ts';
import { isUnavailable, storeAbsenceTimes } from './store-absence.ts';

/** The home that the events belong to. */
export interface IntakeHome {
  readonly id: string;
  readonly phoneRegistry: PhoneRegistry;
  /** `onStored` runs as soon as the writes are durable, before the watchers hear of them. */
  commit(writes: readonly Write[], onStored?: () => void): Promise<unknown>;
}

/** The tunnel that the events came through. */
export interface IntakeTunnel {
  /** Everything up to here is stored or refused for good. */
  readonly ackedSeq: number;
  /** Acknowledges everything up to `seq`; a number that is not higher than `ackedSeq` has no effect. */
  acknowledge(seq: number): void;
  send(frame: CloudFrame): void;
  /** An event of this phone has arrived. */
  noteActivity(udn: string): void;
}

export class EventIntake {
  readonly #tunnel: IntakeTunnel;
  readonly #home: IntakeHome;
  readonly #deps: Pick<HubDeps, 'clock' | 'log'>;
  readonly #nakBackOff = new BackOff(storeAbsenceTimes);
  /** After a nak, later events are dropped until the agent sends again from there: order is kept. */
  #nakedSeq: number | undefined;

  constructor(tunnel: IntakeTunnel, home: IntakeHome, deps: Pick<HubDeps, 'clock' | 'log'>) {
    this.#tunnel = tunnel;
    this.#home = home;
    this.#deps = deps;
  }

  /** The home's phones must be loaded, unless all events are probe answers. Calls must not overlap. */
  async take(events: readonly SequencedEvent[]): Promise<void> {
    const fresh = events.filter((event) => event.seq > this.#tunnel.ackedSeq);
    const first = fresh[0];
    if (first === undefined) {
      // The acknowledgement was lost.
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

  /** For a batch that the store rejects: one bad event must not hold up the others. */
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
