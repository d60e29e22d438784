// The cloud's `call` frames → a phone's actions → `result` or `failure`.
import { type ActionName, actions, isActionName } from '../../protocol/actions.ts';
import { GatewayError, isPassingRefusal } from '../../protocol/errors.ts';
import type { FrameHandlers } from '../../protocol/frame-handlers.ts';
import type { AgentHop, CloudFrame, EdgeFrame, FrameOf } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import {
  checkArguments,
  type PhoneCalls,
  type PhoneControlPoint,
  readArguments,
  type TextArguments,
} from '../messaging/control-point.ts';
import type { KnownItem } from '../messaging/known-messages.ts';
import type { PhoneSynchroniser } from '../messaging/synchronise.ts';
import type { Journal } from '../tunnel/journal.ts';
import { UpnpError } from '../upnp/error.ts';
import { type EffectNotes, noteEffect } from './effect.ts';
import { pending } from './outcome.ts';
import { sendOnce, sendUnkeyed } from './sends.ts';
import { translate } from './translation.ts';

type CallFrame = FrameOf<CloudFrame, 'call'>;

/** A phone as commands need it. */
export interface CommandPhone {
  readonly online: boolean;
  readonly controlPoint: Pick<PhoneControlPoint, 'inTurn' | 'read'>;
  readonly synchroniser: EffectNotes &
    Pick<PhoneSynchroniser, 'epoch' | 'identify' | 'learn' | 'onNotFound' | 'sessionKeyOf'>;
  /** Compares the phone now: it may have been off, or have done an action that it did not answer. */
  resync(): void;
}

export interface CommandsOptions {
  readonly journal: Journal;
  phoneOf(udn: string): CommandPhone | undefined;
  isApproved(udn: string): boolean;
  /** False when there is no connection; throws `frame-too-large`. */
  send(frame: EdgeFrame): boolean;
  report(line: string): void;
}

interface Call {
  readonly frame: CallFrame;
  readonly action: ActionName;
  readonly phone: CommandPhone;
  readonly untilMs: number;
  readonly signal: AbortSignal;
}

interface Answer {
  readonly output: TextArguments;
  readonly made?: string;
  readonly hops?: AgentHop[];
}

/** A repeatable request ends by the call's own deadline, so that the failure is not taken for an unreachable phone's. */
const graceMs = 1000;

export class Commands {
  readonly #options: CommandsOptions;
  readonly #open = new Map<string, AbortController>();
  /** UDNs of the phones whose latest answer to an action was a refusal for now. */
  readonly #refusing = new Set<string>();
  readonly frames: Pick<FrameHandlers<CloudFrame>, 'call' | 'cancel'> = {
    call: (frame) => this.handle(frame),
    cancel: ({ id }) => this.cancel(id),
  };

  constructor(options: CommandsOptions) {
    this.#options = options;
  }

  /** Answers a call with exactly one frame, unless it is cancelled. */
  async handle(frame: CallFrame): Promise<void> {
    const { id } = frame;
    if (this.#open.has(id)) {
      // A failure of this id would be taken for the open call's.
      this.#options.send({ type: 'error', code: 'conflict', detail: 'A call of this id is still open.' });
      return;
    }
    if (this.#open.size >= limits.callsInFlight) {
      const error = new GatewayError('too-many-requests', 'Too many calls are open.');
      this.#sendFailure(frame, this.#unlessBegun(frame, error));
      return;
    }
    const controller = new AbortController();
    const deadline = setTimeout(
      () => controller.abort(new GatewayError('deadline-exceeded', 'The phone did not answer in time.')),
      frame.deadlineMs,
    );
    this.#open.set(id, controller);
    try {
      const call = this.#check(frame, controller.signal);
      const { output, made, hops } = await perform(this.#options.journal, call);
      // While it refused, nothing else was asked that would have shown that it was off.
      if (this.#refusing.delete(frame.udn)) call.phone.resync();
      const given = frame.form === 'model' ? readArguments(frame.udn, call.action, output) : output;
      this.#answer({
        type: 'result',
        id,
        arguments: given,
        ...(made !== undefined && { made }),
        ...(hops !== undefined && { hops }),
      });
    } catch (error) {
      const repeatable = isActionName(frame.action) && actions[frame.action].repeatable;
      const failure = translate(error, { repeatable, deadlinePassed: controller.signal.aborted });
      if (isPassingRefusal(failure.refusal)) this.#refusing.add(frame.udn);
      if (isDoubtful(failure)) this.#options.phoneOf(frame.udn)?.resync();
      this.#fail(frame, failure);
    } finally {
      clearTimeout(deadline);
      this.#open.delete(id);
    }
  }

  /** The cloud no longer waits. What the phone has taken stays taken. */
  cancel(id: string): void {
    const controller = this.#open.get(id);
    this.#open.delete(id);
    controller?.abort(new GatewayError('deadline-exceeded', 'The call was cancelled.'));
  }

  /** Cancels all open calls, for a tunnel that is gone. */
  stop(): void {
    this.onLost();
  }

  onLost(): void {
    for (const id of [...this.#open.keys()]) this.cancel(id);
  }

  #check(frame: CallFrame, signal: AbortSignal): Call {
    if (!isActionName(frame.action)) throw new GatewayError('invalid-request', 'There is no such action.');
    if (!this.#options.isApproved(frame.udn)) {
      throw new GatewayError('phone-not-approved', 'The household has not approved this phone.');
    }
    const phone = this.#options.phoneOf(frame.udn);
    if (phone === undefined || !phone.online) {
      throw new GatewayError('phone-offline', 'The phone is not on the household’s network now.');
    }
    return { frame, action: frame.action, phone, untilMs: performance.now() + frame.deadlineMs, signal };
  }

  /**
   * Sends the answer unless the call was cancelled.
   * @throws GatewayError `frame-too-large`
   */
  #answer(frame: FrameOf<EdgeFrame, 'result'>): void {
    if (this.#open.has(frame.id)) this.#options.send(frame);
  }

  #fail(frame: CallFrame, error: GatewayError): void {
    if (this.#open.has(frame.id)) this.#sendFailure(frame, this.#unlessBegun(frame, error));
  }

  /** An absent or busy phone says nothing of an earlier attempt under this key: then the outcome is pending. */
  #unlessBegun({ action, key }: CallFrame, error: GatewayError): GatewayError {
    return error.code !== 'outcome-unknown' && this.#options.journal.isBegun(key) ? pending(action, error) : error;
  }

  #sendFailure({ id, action, requestId }: CallFrame, error: GatewayError): void {
    const refusal = error.refusal === undefined ? '' : ` ${error.refusal.upnpCode}`;
    const request = requestId === undefined ? '' : `, request ${requestId}`;
    // Codes only: a phone's own words may contain phone numbers.
    this.#options.report(`${action} failed: ${error.code}${refusal}${request}.`);
    this.#options.send({
      type: 'failure',
      id,
      code: error.code,
      detail: error.message.slice(0, limits.shortTextChars),
      ...(error.refusal !== undefined && {
        upnpCode: error.refusal.upnpCode,
        upnpDescription: error.refusal.upnpDescription.slice(0, limits.shortTextChars),
      }),
    });
  }
}

function hopNow(hop: AgentHop['hop']): AgentHop {
  return { hop, time: new Date().toISOString() };
}

/** Whether a whole comparison is worth its cost: after a mere timeout it would slow a busy phone further. */
function isDoubtful({ code }: GatewayError): boolean {
  return code === 'phone-unreachable' || code === 'outcome-unknown' || code === 'outcome-pending';
}

async function perform(journal: Journal, call: Call): Promise<Answer> {
  const { action, phone, frame, signal } = call;
  const asked = checkArguments(action, frame.form, frame.arguments);
  if (!actions[action].changes) {
    const deadlineMs = Math.max(1, call.untilMs - performance.now()) + graceMs;
    return { output: await phone.controlPoint.read(action, asked, { deadlineMs, signal }) };
  }
  const { key } = frame;
  const hops = [hopNow('agent')];
  // After a reset of the phone its MessageID may name another message: a deletion of that one could not be undone.
  const isAboutMessage =
    (action === 'DeleteMessage' || (action === 'ReadMessage' && frame.message !== undefined)) &&
    (key === undefined || journal.findSend(key)?.outcome === undefined);
  return phone.controlPoint.inTurn(
    async (calls) => {
      const acted = isAboutMessage ? await identify(call, calls, asked) : undefined;
      if (isAboutMessage && acted === undefined && frame.message !== undefined) {
        if (wasDeleted(journal, call)) return { output: {} };
        phone.synchroniser.onNotFound(frame.message);
        throw new GatewayError('not-on-phone', 'The phone no longer has this message. Nothing was changed there.');
      }
      const given = acted === undefined ? asked : { ...asked, MessageID: acted.messageId };
      const deadlineMs = Math.max(1, call.untilMs - performance.now());
      hops.push(hopNow('soap'));
      const output = await act(journal, calls, call, given, deadlineMs);
      hops.push(hopNow('phone'));
      noteEffect(phone.synchroniser, action, given, output, acted?.id);
      const sessionId = action === 'CreateSession' ? output.SessionID : undefined;
      return {
        output,
        ...(sessionId !== undefined && { made: phone.synchroniser.sessionKeyOf(sessionId) }),
        ...(action === 'SendMessage' && { hops }),
      };
    },
    { exclusive: true, signal },
  );
}

/** Calls an action that changes something: once for its key if it has one, and otherwise as often as it is asked. */
function act(
  journal: Journal,
  calls: PhoneCalls,
  { action, phone, frame: { udn, key }, signal }: Call,
  given: TextArguments,
  deadlineMs: number,
): Promise<TextArguments> {
  const request = { udn, action, arguments: given, deadlineMs };
  if (key !== undefined) {
    const onMade = (item: KnownItem) => phone.synchroniser.learn(item);
    return sendOnce(journal, calls, { ...request, key, epoch: phone.synchroniser.epoch, onMade });
  }
  if (!actions[action].repeatable) return sendUnkeyed(journal, calls, request);
  return calls.text(action, given, { deadlineMs: deadlineMs + graceMs, signal });
}

/**
 * The message that the phone has now by the MessageID, in the caller's section of the queue: after a reset of the phone
 * it may be another one. Undefined: it has another one than the call means, or none.
 * @throws UpnpError when the phone cannot be asked
 */
async function identify({ phone, frame, untilMs, signal }: Call, calls: PhoneCalls, { MessageID = '' }: TextArguments) {
  const options = { deadlineMs: Math.max(1, untilMs - performance.now()), signal };
  const meant = { messageId: MessageID, id: frame.message };
  const found = await phone.synchroniser.identify(calls, meant, options).catch((error: unknown) => {
    // A caller that gave only the MessageID means whatever message has it: a phone without a list may still act on it.
    if (frame.message === undefined && error instanceof UpnpError && error.kind !== 'unreachable') return undefined;
    throw error;
  });
  return found;
}

/** Whether an earlier deletion under this key, whose answer was lost, was done: the phone no longer has the message. */
function wasDeleted(journal: Journal, { action, frame, phone }: Call): boolean {
  const { key, message, udn } = frame;
  if (action !== 'DeleteMessage' || key === undefined || message === undefined || !journal.isBegun(key)) return false;
  journal.finishSend(udn, key, { result: {} });
  phone.synchroniser.onDeleted(message);
  return true;
}
