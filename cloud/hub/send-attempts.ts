// One attempt at a send, and what its answer, or the want of one, means for the send.
import { GatewayError, isPassingRefusal } from '../../protocol/errors.ts';
import type { HomeEvent, Message, MessageState } from '../../protocol/model.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import type { MessageRecord, StoredHop } from '../store/message-store.ts';
import type { PhoneRecord } from '../store/phone-store.ts';
import { publicMessage } from '../store/rules/public-message.ts';
import type { Write } from '../store/store.ts';
import type { HubDeps } from './hub-deps.ts';
import type { CallAnswer, PhoneCall, SendOutcome } from './hubs.ts';
import {
  asSendError,
  doubtful,
  heldBecause,
  isAbsence,
  isLate,
  isLost,
  isPassing,
  isUndecided,
  open,
  phoneMessageOf,
  reasonOf,
} from './send-record.ts';
import { UnconfirmedPhone } from './unconfirmed-phone.ts';

/** What sending needs of its home. */
export interface SendHome {
  commit(writes: readonly Write[]): Promise<HomeEvent[]>;
  /** The phone that would send this now. Throws why there is none. */
  phoneFor(record: MessageRecord): PhoneRecord;
  /** Unlike a call from outside, a lost answer is `tunnel-lost` or `deadline-exceeded` here. */
  call(call: PhoneCall): Promise<CallAnswer>;
  /** Since when nobody of the home is connected, where nobody is; epoch milliseconds. */
  awaySinceMs(): number | undefined;
}

/** How whoever waits for a send asked for it. */
export interface Asked {
  readonly failFast: boolean;
  readonly requestId: string | undefined;
}

/** What came of an attempt. */
export interface SendAttempt {
  /** False when the send must be tried again later, with everything behind it. */
  readonly ends: boolean;
  readonly outcome: SendOutcome;
}

/** The attempts at the sends of one home. They keep no order: that is for whoever asks for them. */
export class SendAttempts {
  readonly #home: string;
  readonly #deps: HubDeps;
  readonly #outgoing: SendHome;
  /** By the record's id, of those that are waited for; it changes meanwhile, for a request may be repeated. */
  readonly #asked: ReadonlyMap<string, Asked>;
  /** Phones that refuse for now, with what they said: none is asked by one message after the other to say it again. */
  readonly #resting = new Map<string, GatewayError>();

  constructor(home: string, deps: HubDeps, outgoing: SendHome, asked: ReadonlyMap<string, Asked>) {
    this.#home = home;
    this.#deps = deps;
    this.#outgoing = outgoing;
    this.#asked = asked;
  }

  /** Why the record cannot be tried now; undefined if it can. */
  absence(record: MessageRecord): GatewayError | undefined {
    try {
      return this.#resting.get(this.#outgoing.phoneFor(record).id);
    } catch (error) {
      return asSendError(error);
    }
  }

  /** Phones that refused for now may be asked again. */
  endRest(): void {
    this.#resting.clear();
  }

  /** The write with which an attempt begins. Throws why there is none to begin. */
  begin(record: MessageRecord): Write {
    const { id: phone, epoch } = this.#outgoing.phoneFor(record);
    const hops: StoredHop[] = [['hub', this.#deps.clock.now()]];
    return { type: 'send.move', id: record.id, from: ['queued'], to: 'sending', phone, epoch, hops };
  }

  /** Never throws: what goes wrong is the outcome. */
  async try(record: MessageRecord): Promise<SendAttempt> {
    try {
      if (isLate(record, this.#deps.clock.now())) return { ends: true, outcome: await this.giveUp(record) };
      const phone = this.#outgoing.phoneFor(record);
      const about = { phone: phone.id, epoch: phone.epoch };
      const message = await this.#phoneMessage(record);
      if (record.state === 'queued') {
        const events = await this.#outgoing.commit([this.begin(record)]);
        if (events.length === 0) {
          // Deleted while it waited, or settled by the phone's own event.
          const stored = await this.#deps.store.messages.get(this.#home, record.id);
          return { ends: true, outcome: { message: publicMessage(stored ?? record) } };
        }
        record.state = 'sending';
      }
      const answer = await this.#ask(record, phone.id, message);
      const messageId = String(answer.arguments.MessageID);
      const hops = answer.hops?.map(({ hop, time }): StoredHop => [hop, Date.parse(time)]);
      return { ends: true, outcome: { message: await this.#move(record, 'sent', { ...about, messageId, hops }) } };
    } catch (error) {
      return await this.fault(record, asSendError(error));
    }
  }

  async #ask(record: MessageRecord, phone: string, message: PhoneMessage): Promise<CallAnswer> {
    try {
      const answer = await this.#outgoing.call({
        phone,
        action: 'SendMessage',
        form: 'model',
        arguments: { MessageToSend: message },
        key: record.id,
        requestId: this.#asked.get(record.id)?.requestId,
      });
      this.#resting.delete(phone);
      return answer;
    } catch (error) {
      if (error instanceof GatewayError && isPassingRefusal(error.refusal)) this.#resting.set(phone, error);
      throw error;
    }
  }

  /** What an error means for the send. Never throws. */
  async fault(record: MessageRecord, error: GatewayError): Promise<SendAttempt> {
    try {
      if (isUndecided(error)) {
        const message = await this.#move(record, 'unknown', { reason: error.message });
        return { ends: true, outcome: { message, error } };
      }
      // Asked again under the same key, the agent tells what became of it: `sending` until then.
      if (error.code === 'outcome-pending' && record.stateReason !== error.message) {
        const message = await this.#move(record, 'sending', { reason: error.message });
        return { ends: !open.includes(record.state), outcome: { message } };
      }
      if (isLost(error) || (isAbsence(error) && doubtful.has(record))) {
        return { ends: false, outcome: { message: publicMessage(record) } };
      }
      if (!isPassing(error) || this.#asked.get(record.id)?.failFast === true) {
        const message = await this.#move(record, 'failed', { reason: reasonOf(error) });
        return { ends: true, outcome: { message, error } };
      }
      const isHeld = error.refusal !== undefined || error instanceof UnconfirmedPhone;
      const reason = isHeld ? heldBecause(error, undefined, record.deliverByMs) : error.message;
      return { ends: false, outcome: { message: await this.#move(record, 'queued', { reason }) } };
    } catch {
      // The store no longer answers: the record stays as it is there, and is tried again under its key. That is no
      // error of the request: repeated, it would be another message.
      return { ends: false, outcome: { message: publicMessage(record) } };
    }
  }

  /** Says in a waiting record that the household is asked: it may have been stored while its phone was merely away. */
  async noteUnconfirmed(record: MessageRecord, error: UnconfirmedPhone): Promise<void> {
    if (record.state !== 'queued') return;
    if (record.stateReason !== heldBecause(error, undefined, record.deliverByMs)) await this.fault(record, error);
  }

  /** For a send that is past its time. */
  async giveUp(record: MessageRecord): Promise<SendOutcome> {
    if (record.state === 'sending') {
      const reason = 'It was under way when its time ran out, and no answer came: it may or may not have gone out.';
      const message = await this.#move(record, 'unknown', { reason });
      return { message, error: new GatewayError('outcome-unknown', reason) };
    }
    const reason = 'Its time ran out before a phone could send it.';
    // Not one whose attempt has begun since it was read.
    const message = await this.#move(record, 'failed', { reason }, ['queued']);
    return { message, error: new GatewayError('deadline-exceeded', reason) };
  }

  /** Moves the record on, in the store and here, and answers the message as it is now. */
  async #move(
    record: MessageRecord,
    to: MessageState,
    more: { reason?: string; messageId?: string; phone?: string; epoch?: number; hops?: StoredHop[] | undefined },
    from: readonly MessageState[] = to === 'sent' ? [...open, 'unknown'] : open,
  ): Promise<Message> {
    const back: StoredHop = ['tunnel', this.#deps.clock.now(), more.reason ?? 'The phone took it.'];
    const hops = [...(more.hops ?? []), back];
    const events = await this.#outgoing.commit([{ type: 'send.move', id: record.id, from, to, ...more, hops }]);
    const moved = events.find((event) => event.type === 'send.updated' && event.data.id === record.id);
    if (moved?.type === 'send.updated') {
      record.state = moved.data.state;
      return moved.data;
    }
    // The phone's own event may have settled it first.
    const stored = await this.#deps.store.messages.get(this.#home, record.id);
    if (stored === undefined) return publicMessage(record);
    record.state = stored.state;
    return publicMessage(stored);
  }

  async #phoneMessage(record: MessageRecord): Promise<PhoneMessage> {
    if (record.sessionId === null) return phoneMessageOf(record, undefined);
    const session = await this.#deps.store.sessions.get(this.#home, record.sessionId);
    if (session === undefined) throw new GatewayError('invalid-request', 'The session of this message is gone.');
    return phoneMessageOf(record, session.sessionId);
  }
}
