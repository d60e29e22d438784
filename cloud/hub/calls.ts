// Calls in flight through the tunnel: bounded, each with its deadline, each answered exactly once.
import { type Action, type ActionName, actions, documentOf } from '../../protocol/actions.ts';
import { encodeFrame } from '../../protocol/codec.ts';
import { type ErrorCodeName, errorCodes, GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, EdgeFrame, FrameOf } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import { documentSchemas } from '../../protocol/phone-model.ts';
import type { HubDeps } from './hub-deps.ts';
import type { CallAnswer, PhoneCall } from './hubs.ts';
import type { Link } from './link.ts';

const defaultDeadlineMs = 30_000;
/** The agent answers at the deadline with what it knows; the cloud waits only a little longer. */
const graceMs = 250;
/** Marks a probe's answer, also for a hub that was evicted since it sent the probe. */
const probePrefix = 'proof-';

/** What an agent may report; any other code says nothing about the request (a 401 would sign people out). */
const reportable: ReadonlySet<string> = new Set<ErrorCodeName>([
  'phone-unreachable',
  'phone-malformed',
  'phone-refused',
  'phone-offline',
  'phone-not-approved',
  'not-on-phone',
  'outcome-unknown',
  'outcome-pending',
  'deadline-exceeded',
  'too-many-requests',
  'invalid-request',
  'idempotency-conflict',
  'frame-too-large',
  'store-unavailable',
  'internal',
]);

/** A frame of the cloud that the agent answers under its id. */
type QuestionFrame = {
  [Type in CloudFrame['type']]: FrameOf<CloudFrame, Type> extends { id: string; deadlineMs: number }
    ? Omit<FrameOf<CloudFrame, Type>, 'id'>
    : never;
}[CloudFrame['type']];

/** What a question is called in log and metrics. */
interface Question {
  readonly action: string;
  readonly phone?: string | undefined;
  readonly requestId?: string | undefined;
}

interface Pending {
  readonly question: Question;
  readonly beganMs: number;
  readonly cancelDeadline: () => void;
  /** False if the frame does not answer the question. */
  resolve(frame: FrameOf<EdgeFrame, 'result'>): boolean;
  reject(error: GatewayError): void;
}

export class Calls {
  readonly #home: string;
  readonly #deps: HubDeps;
  readonly #pending = new Map<string, Pending>();
  readonly #prefix: string;
  #count = 0;

  constructor(home: string, deps: HubDeps) {
    this.#home = home;
    this.#deps = deps;
    // A late answer to a call from before an eviction must not match a new call of the same number.
    this.#prefix = deps.clock.now().toString(36);
  }

  /**
   * Sends one call through the link. Throws `too-many-requests` at the limit, `deadline-exceeded` when nothing came,
   * `tunnel-lost` when the link went: in the last two cases the call may or may not have happened.
   */
  begin(link: Link, udn: string, call: PhoneCall): Promise<CallAnswer> {
    const { action, form, key, message, requestId, deadlineMs = defaultDeadlineMs } = call;
    const frame: Omit<FrameOf<CloudFrame, 'call'>, 'id'> = {
      type: 'call',
      udn,
      action,
      form,
      arguments: { ...call.arguments },
      deadlineMs,
    };
    if (key !== undefined) frame.key = key;
    if (message !== undefined) frame.message = message;
    if (requestId !== undefined) frame.requestId = requestId;
    return this.ask(link, frame, call, (result) => {
      const answer = form === 'text' ? readTexts(action, result.arguments) : readModels(action, result.arguments);
      return answer && { arguments: answer, made: result.made, hops: result.hops };
    });
  }

  /** Probes a phone. `result` knows the answer by its id; a deadline would keep a home awake that could hibernate. */
  probe(link: Link, udn: string): void {
    const id = `${probePrefix}${this.#deps.clock.now().toString(36)}`;
    const question = { action: 'GetTelephonyIdentity', form: 'text', arguments: {} } as const;
    link.send(encodeFrame({ type: 'call', id, udn, ...question, deadlineMs: defaultDeadlineMs }));
  }

  /** Settles the call, if one waits. Returns whether the answer comes from a phone, and not from the agent alone. */
  result(frame: FrameOf<EdgeFrame, 'result'>): boolean {
    if (frame.id.startsWith(probePrefix)) return true;
    const pending = this.#take(frame.id);
    if (pending === undefined) return false;
    const { action, phone } = pending.question;
    if (pending.resolve(frame)) this.#observe(pending, 'ok');
    else {
      const detail = `The answer to ${action} does not hold what the action promises.`;
      this.#fail(pending, new GatewayError('phone-malformed', detail));
    }
    return phone !== undefined;
  }

  /** A failure that the agent reports: the one translation from the wire to GatewayError. */
  failure(frame: FrameOf<EdgeFrame, 'failure'>): void {
    const pending = this.#take(frame.id);
    if (pending === undefined) return;
    if (!reportable.has(frame.code)) {
      const detail = `The agent failed (${frame.code.slice(0, 64)}): ${frame.detail}`;
      this.#fail(pending, new GatewayError('phone-unreachable', detail));
      return;
    }
    const { code, upnpCode, upnpDescription = '' } = frame;
    this.#fail(
      pending,
      new GatewayError(code as ErrorCodeName, frame.detail, {
        ...(upnpCode !== undefined && { refusal: { upnpCode, upnpDescription } }),
        // The agent says it only where it could not write its journal, which it does before it asks the phone.
        ...(code === 'store-unavailable' && { effect: 'none' as const }),
      }),
    );
  }

  /**
   * Sends a frame that one `result` or `failure` of its id answers. `read` returns undefined for what is no answer.
   * @throws GatewayError as `begin` does
   */
  ask<Answer>(
    link: Link,
    unnumbered: QuestionFrame,
    { action, phone, requestId }: Question,
    read: (frame: FrameOf<EdgeFrame, 'result'>) => Answer | undefined,
  ): Promise<Answer> {
    if (this.#pending.size >= limits.callsInFlight) {
      const detail = `${limits.callsInFlight} calls to this home are under way: try again when some are answered.`;
      return Promise.reject(new GatewayError('too-many-requests', detail, { retryAfterMs: 1000 }));
    }
    const id = `${this.#prefix}-${++this.#count}`;
    const { deadlineMs } = unnumbered;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    let text: string;
    try {
      text = encodeFrame({ ...unnumbered, id });
    } catch (error) {
      return Promise.reject(error);
    }
    const cancelDeadline = this.#deps.deadlines.after(deadlineMs + graceMs, () => {
      const pending = this.#take(id);
      if (pending === undefined) return;
      link.send(encodeFrame({ type: 'cancel', id }));
      this.#fail(pending, new GatewayError('deadline-exceeded', `The home did not answer within ${deadlineMs} ms.`));
    });
    const take = (frame: FrameOf<EdgeFrame, 'result'>) => {
      const answer = read(frame);
      if (answer === undefined) return false;
      resolve(answer);
      return true;
    };
    const question = { action, phone, requestId };
    this.#pending.set(id, { question, beganMs: this.#deps.clock.now(), cancelDeadline, resolve: take, reject });
    link.send(text);
    return promise;
  }

  /** The link is gone: all calls in flight fail. */
  lost(): void {
    for (const id of [...this.#pending.keys()]) {
      const pending = this.#take(id);
      const detail = 'The connection to the home broke off while the call was under way.';
      if (pending !== undefined) this.#fail(pending, new GatewayError('tunnel-lost', detail, { retryAfterMs: 2000 }));
    }
  }

  #take(id: string): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.cancelDeadline();
    return pending;
  }

  #fail(pending: Pending, error: GatewayError): void {
    this.#observe(pending, error.code, error.refusal?.upnpCode);
    pending.reject(error);
  }

  /** Counts and logs by codes alone: the words of phones may hold numbers. */
  #observe({ question, beganMs }: Pending, outcome: ErrorCodeName | 'ok', upnpCode?: number): void {
    const { clock, log, observer } = this.#deps;
    const { action, phone, requestId } = question;
    const durationMs = clock.now() - beganMs;
    observer.call(action, outcome, durationMs);
    const line = { requestId, home: this.#home, phone, action, outcome, upnpCode, durationMs };
    // A refusal by a phone or a person is no fault that the operator can repair.
    if (outcome === 'ok' || errorCodes[outcome].status < 500) log.info('call', line);
    else log.warn('call', line);
  }
}

function readTexts(action: ActionName, given: Record<string, unknown>): Record<string, string> | undefined {
  const answer: Record<string, string> = {};
  for (const name of Object.keys(actions[action].out)) {
    const value = given[name];
    if (typeof value !== 'string') return undefined;
    answer[name] = value;
  }
  return answer;
}

function readModels(action: ActionName, given: Record<string, unknown>): Record<string, unknown> | undefined {
  const answer: Record<string, unknown> = {};
  for (const [name, variable] of Object.entries((actions[action] as Action).out)) {
    const document = documentOf(variable);
    if (document === undefined) {
      if (typeof given[name] !== 'string') return undefined;
      answer[name] = given[name];
    } else {
      const model = documentSchemas[document].safeParse(given[name]);
      if (!model.success) return undefined;
      answer[name] = model.data;
    }
  }
  return answer;
}
