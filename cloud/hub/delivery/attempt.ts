// One attempt at a send: what is asked of the phone, and what its answer or the lack of one means for the send.
import { GatewayError } from '../../../protocol/errors.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import type { MessageRecord, StoredHop } from '../../store/message-store.ts';
import type { PhoneRecord } from '../../store/phone-store.ts';
import { isOpen, moved, moveOf, type SendEvent } from '../../store/rules/delivery.ts';
import { publicMessage } from '../../store/rules/public-message.ts';
import type { Durability, Write } from '../../store/store.ts';
import type { HubDeps } from '../hub-deps.ts';
import type { CallAnswer, PhoneCall, SendOutcome } from '../hubs.ts';
import { asSendError, eventOfFault, isPassing, reasonOf, reasonToWait } from './fault.ts';
import type { AvailablePhones } from './phone-choice.ts';
import { isLate, phoneMessageOf } from './send-record.ts';

/** What sending needs of its home. */
export interface SendHome {
  commit(writes: readonly Write[], durability?: Durability): Promise<HomeEvent[]>;
  /** The phone that would send this now. Throws why there is none. */
  phoneFor(record: MessageRecord): PhoneRecord;
  /** Unlike a call from outside, a lost answer is `tunnel-lost` or `deadline-exceeded` here. */
  call(call: PhoneCall): Promise<CallAnswer>;
  /** Since when nobody of the home is connected, where nobody is; epoch milliseconds. */
  awaySinceMs(): number | undefined;
}

/** How a request asked for a send. */
export interface Asked {
  readonly failFast: boolean;
  readonly requestId: string | undefined;
}

/** A send whose turn it is. */
export interface DueSend {
  readonly record: MessageRecord;
  /** Of the attempt that is stored as begun already; otherwise one is chosen. */
  readonly phone?: PhoneRecord | undefined;
  /** An attempt before this one may have done it. */
  readonly wasUnderWay: boolean;
}

export interface SendAttempt {
  /** False when the send must be tried again later, with everything behind it. */
  readonly ends: boolean;
  /** As it is stored now. */
  readonly record: MessageRecord;
  readonly outcome: SendOutcome;
}

type MoveDetails = Pick<Extract<Write, { type: 'send.move' }>, 'reason' | 'messageId' | 'phone' | 'epoch' | 'hops'>;

/** The attempts at the sends of one home. The lanes keep their order. */
export class SendAttempts {
  readonly #home: string;
  readonly #deps: HubDeps;
  readonly #outgoing: SendHome;
  readonly #phones: AvailablePhones;

  constructor(home: string, deps: HubDeps, outgoing: SendHome, phones: AvailablePhones) {
    this.#home = home;
    this.#deps = deps;
    this.#outgoing = outgoing;
    this.#phones = phones;
  }

  /** The write with which an attempt at a queued send begins. */
  beginning(record: MessageRecord, { id: phone, epoch }: PhoneRecord): Extract<Write, { type: 'send.move' }> {
    const move = moveOf('begun', 'queued') ?? { from: [], to: 'sending' };
    return { type: 'send.move', id: record.id, ...move, phone, epoch, hops: [['hub', this.#deps.clock.now()]] };
  }

  /** Never throws: a fault is an outcome. `asked` may change during the attempt, because a request may be repeated. */
  async try(due: DueSend, asked: () => Asked | undefined): Promise<SendAttempt> {
    let { record } = due;
    try {
      if (isLate(record, this.#deps.clock.now())) return await this.giveUp(record);
      const found = due.phone === undefined ? this.#phones.find(record) : { phone: due.phone };
      if ('absence' in found) {
        // Nothing was asked: what an earlier attempt did is as open as before.
        if (due.wasUnderWay && isPassing(found.absence)) return waiting(record);
        throw found.absence;
      }
      const { phone } = found;
      const message = await this.#phoneMessage(record);
      if (record.state === 'queued') {
        const beginning = this.beginning(record, phone);
        const events = await this.#outgoing.commit([beginning]);
        if (!events.some((event) => tellsOf(event, record))) return await this.#overtaken(record);
        record = moved(record, beginning) ?? record;
      }
      const answer = await this.#ask(record, phone.id, message, asked()?.requestId);
      return await this.#learn(record, 'taken', {
        messageId: String(answer.arguments.MessageID),
        phone: phone.id,
        epoch: phone.epoch,
        hops: answer.hops?.map(({ hop, time }): StoredHop => [hop, Date.parse(time)]),
      });
    } catch (error) {
      return await this.#fault({ ...due, record }, asSendError(error), asked()?.failFast === true);
    }
  }

  /** Ends a send that was never tried, for a sender who does not wait. Never throws. */
  async drop(record: MessageRecord, error: GatewayError): Promise<SendAttempt> {
    try {
      return await this.#learn(record, 'dropped', { reason: reasonOf(error) }, error);
    } catch {
      return waiting(record);
    }
  }

  /** Tells in a waiting record why it cannot be tried. Never throws. */
  async explain(record: MessageRecord, absence: GatewayError): Promise<void> {
    const reason = reasonToWait(absence, record.deliverByMs);
    if (record.state !== 'queued' || record.stateReason === reason) return;
    await this.#learn(record, 'explained', { reason }).catch(() => undefined);
  }

  /** For a send that is past its time. */
  async giveUp(record: MessageRecord): Promise<SendAttempt> {
    if (record.state === 'sending') {
      const reason = 'It was under way when its time ran out, and no answer came: it may or may not have gone out.';
      return await this.#learn(record, 'expired', { reason }, new GatewayError('outcome-unknown', reason));
    }
    const reason = 'Its time ran out before a phone could send it.';
    const error = new GatewayError('deadline-exceeded', reason, { effect: 'none' });
    return await this.#learn(record, 'expired', { reason }, error);
  }

  async #ask(
    { id: key }: MessageRecord,
    phone: string,
    message: PhoneMessage,
    requestId: string | undefined,
  ): Promise<CallAnswer> {
    const call = { phone, action: 'SendMessage', form: 'model', arguments: { MessageToSend: message } } as const;
    try {
      const answer = await this.#outgoing.call({ ...call, key, requestId });
      this.#phones.note(phone, undefined);
      return answer;
    } catch (error) {
      if (error instanceof GatewayError) this.#phones.note(phone, error);
      throw error;
    }
  }

  async #fault({ record, wasUnderWay }: DueSend, error: GatewayError, failFast: boolean): Promise<SendAttempt> {
    const event = eventOfFault(error, { wasUnderWay, failFast });
    try {
      switch (event) {
        case 'pending':
          if (record.stateReason === error.message) return waiting(record);
          return await this.#learn(record, event, { reason: error.message });
        case 'held':
          return await this.#learn(record, event, { reason: reasonToWait(error, record.deliverByMs) });
        case 'undecided':
          return await this.#learn(record, event, { reason: error.message }, error);
        case 'refused':
          return await this.#learn(record, event, { reason: reasonOf(error) }, error);
        default:
          return waiting(record);
      }
    } catch {
      // The store does not answer: the record stays as it is stored, and is tried again under its key. The request gets
      // no error, because its repetition would be another message.
      return waiting(record);
    }
  }

  /** Stores what the event makes of the send. `error` goes to the sender unless something else settled the send. */
  async #learn(
    record: MessageRecord,
    event: SendEvent,
    details: MoveDetails,
    error?: GatewayError,
  ): Promise<SendAttempt> {
    const move = moveOf(event, record.state);
    if (move === undefined) return await this.#overtaken(record);
    const back: StoredHop = ['tunnel', this.#deps.clock.now(), details.reason ?? 'The phone took it.'];
    const hops = [...(details.hops ?? []), back];
    const write = { type: 'send.move', id: record.id, ...move, ...details, hops } as const;
    // A crash may lose that the phone took it: the agent tells again under the key.
    const durability = event === 'taken' ? 'soon' : 'now';
    const told = (await this.#outgoing.commit([write], durability)).findLast((event) => tellsOf(event, record));
    if (told === undefined) return await this.#overtaken(record, error);
    const next = moved(record, write) ?? record;
    return { ends: !isOpen(told.data.state), record: next, outcome: { message: told.data, error } };
  }

  /** The phone's own event settled it first, or it was deleted. */
  async #overtaken(record: MessageRecord, error?: GatewayError): Promise<SendAttempt> {
    const stored = await this.#deps.store.messages.get(this.#home, record.id);
    const message = publicMessage(stored ?? record);
    if (stored === undefined) return { ends: true, record, outcome: { message, error } };
    return { ends: !isOpen(stored.state), record: stored, outcome: { message } };
  }

  async #phoneMessage(record: MessageRecord): Promise<PhoneMessage> {
    if (record.sessionId === null) return phoneMessageOf(record, undefined);
    const session = await this.#deps.store.sessions.get(this.#home, record.sessionId);
    if (session === undefined) throw new GatewayError('invalid-request', 'The session of this message is gone.');
    return phoneMessageOf(record, session.sessionId);
  }
}

function tellsOf(event: HomeEvent, { id }: MessageRecord): event is Extract<HomeEvent, { type: 'send.updated' }> {
  return event.type === 'send.updated' && event.data.id === id;
}

/** It stays as it is stored and is tried again later. */
function waiting(record: MessageRecord): SendAttempt {
  return { ends: false, record, outcome: { message: publicMessage(record) } };
}
