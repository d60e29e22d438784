// Actions that must not happen twice. Each is journalled before the phone is asked and after it answered. After an answer
// that does not tell whether the phone acted (lost, unreadable, 501 Action Failed), its effect is looked up on the phone
// (outcome.ts): `outcome-pending` until that can be done. What the phone then does not show is never tried again (C15): it
// is `phone-refused` after a refusal and `outcome-unknown` otherwise. Actions that do no more when they are done twice are
// done again instead, but never after their outcome is known: something else may have happened since.
import { type ActionName, actions } from '../../protocol/actions.ts';
import { GatewayError, isErrorCode, isPassingRefusal } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { PhoneCalls, TextArguments } from '../messaging/control-point.ts';
import { readDocument } from '../messaging/documents.ts';
import { fingerprintOfSend } from '../messaging/evidence.ts';
import { isMessageKey } from '../messaging/identity.ts';
import type { KnownItem } from '../messaging/known-messages.ts';
import type { ActionFailure, Journal, Send } from '../tunnel/journal.ts';
import { UpnpError } from '../upnp/error.ts';
import { findOutcome, isDone } from './outcome.ts';
import { effectAtPhone, translate } from './translation.ts';

export interface SendRequest {
  readonly udn: string;
  readonly key: string;
  readonly action: ActionName;
  readonly arguments: TextArguments;
  readonly epoch: number;
  readonly deadlineMs: number;
  /** Called with a message that is known by the key from now on. */
  onMade(item: KnownItem): void;
}

/**
 * Does an action once for its key, or gives its first outcome again. Runs in an exclusive section of the phone's queue.
 * @throws GatewayError the first outcome's; `outcome-pending` while the phone cannot be asked what came of it;
 * `outcome-unknown` while it does not show; `idempotency-conflict`
 */
export async function sendOnce(journal: Journal, calls: PhoneCalls, request: SendRequest): Promise<TextArguments> {
  const { udn, key, action } = request;
  const { repeatable } = actions[action];
  const earlier = journal.findSend(key);
  if (earlier !== undefined) {
    if (earlier.action !== action) {
      throw new GatewayError('idempotency-conflict', `This key was used for ${earlier.action} before.`);
    }
    const first = replay(earlier);
    if (first !== undefined) return first;
    if (!repeatable) return settle(journal, calls, request, earlier);
  }
  const send = { key, action, arguments: request.arguments, begunMs: Date.now() };
  let asked = earlier === undefined ? 0 : 1;
  let result: TextArguments;
  try {
    result = await calls.text(action, request.arguments, {
      deadlineMs: request.deadlineMs,
      // Not before the connection stands: a crash in between would leave an entry open for a request that never left.
      beforeSend: () => {
        if (asked === 0) begin(journal, udn, send);
        asked++;
      },
    });
    refuseLong(result);
  } catch (error) {
    // Kept back by `begin`, before the first byte.
    if (error instanceof UpnpError && error.cause instanceof GatewayError) throw error.cause;
    const failure = translate(error, { repeatable });
    const effect = asked > 0 ? effectOfFault(error) : 'none';
    const isRefused = failure.code === 'phone-refused';
    if (effect === 'unknown' && !repeatable) {
      if (isRefused) journal.doubtSend(key, failureOf(failure), 'open');
      return settle(journal, calls, request, { ...send, ...(isRefused && { doubtedRefusal: failureOf(failure) }) });
    }
    const wasDone = isRefused && (await wasDoneBefore(calls, send, { isRepeated: asked > 1, effect }));
    if (!wasDone) {
      const isPassing = isPassingRefusal(failure.refusal);
      if (isRefused && !isPassing) journal.finishSend(udn, key, { failure: failureOf(failure) });
      // Certainly not done: the same key may try again.
      else if (earlier === undefined && effect === 'none') journal.abandonSend(key);
      throw failure;
    }
    result = {};
  }
  finish(journal, request, result);
  return result;
}

/**
 * Does an action that must not happen twice for a caller that gave no key, and so cannot ask again what came of it.
 * @throws GatewayError `outcome-unknown` also where the phone cannot be asked now
 */
export async function sendUnkeyed(
  journal: Journal,
  calls: PhoneCalls,
  { udn, action, arguments: given, deadlineMs }: Omit<SendRequest, 'key' | 'epoch' | 'onMade'>,
): Promise<TextArguments> {
  try {
    const result = await calls.text(action, given, { deadlineMs });
    refuseLong(result);
    return result;
  } catch (error) {
    const failure = translate(error, { repeatable: false });
    if (effectOfFault(error) === 'none') throw failure;
    const send = { key: '', action, arguments: given };
    const found = await findOutcome(journal, calls, udn, send).catch(() => 'untold' as const);
    if (typeof found === 'object') return found.result;
    throw found === 'absent' && failure.code === 'phone-refused' ? failure : unknownOutcome(action, error);
  }
}

/** What failed in the agent itself says nothing of the phone. */
function effectOfFault(error: unknown): 'none' | 'unknown' {
  return error instanceof UpnpError ? effectAtPhone(error) : 'unknown';
}

/**
 * Whether a refused action that may be repeated was done all the same: by an earlier attempt, because of which the phone
 * now refuses, or by the one whose refusal proves nothing.
 */
async function wasDoneBefore(
  calls: PhoneCalls,
  send: Pick<Send, 'action' | 'arguments'>,
  { isRepeated, effect }: { isRepeated: boolean; effect: 'none' | 'unknown' },
): Promise<boolean> {
  if (isRepeated) return isDone(calls, send);
  // Where the phone does not tell, its refusal stands: asked again under another key, it does no more.
  return effect === 'unknown' && (await isDone(calls, send).catch(() => false));
}

/**
 * Journals a send before its first byte.
 * @throws GatewayError `store-unavailable`: an action that cannot be journalled is not begun
 */
function begin(journal: Journal, udn: string, send: Omit<Send, 'outcome'>): void {
  try {
    journal.beginSend(udn, send);
  } catch (cause) {
    throw new GatewayError('store-unavailable', 'The agent cannot write to its disk: look at its free space.', {
      cause,
    });
  }
}

function replay({ outcome }: Send): TextArguments | undefined {
  if (outcome === undefined) return undefined;
  if ('result' in outcome) return outcome.result;
  throw errorOf(outcome.failure);
}

function errorOf({ code, detail, upnpCode, upnpDescription = '' }: ActionFailure): GatewayError {
  return new GatewayError(isErrorCode(code) ? code : 'internal', detail, {
    ...(upnpCode !== undefined && { refusal: { upnpCode, upnpDescription } }),
  });
}

function failureOf({ code, message, refusal }: GatewayError): ActionFailure {
  const detail = message.slice(0, limits.shortTextChars);
  if (refusal === undefined) return { code, detail };
  const { upnpCode, upnpDescription } = refusal;
  return { code, detail, upnpCode, upnpDescription: upnpDescription.slice(0, limits.shortTextChars) };
}

/** Such an action answers with an identifier; a longer text is none. */
function refuseLong(result: TextArguments): void {
  const long = Object.keys(result).find((name) => (result[name] ?? '').length > limits.identifierChars);
  if (long !== undefined) throw new UpnpError('malformed', `The phone answered with a ${long} that is too long.`);
}

function finish(journal: Journal, request: SendRequest, result: TextArguments): void {
  const { udn, key, action } = request;
  const made = action === 'SendMessage' && isMessageKey(key) ? madeBy(request, result.MessageID ?? '') : undefined;
  try {
    journal.finishSend(udn, key, { result }, made);
  } catch {
    // The phone has done it. The journal still has the send as begun, and the next look at the phone settles it.
    return;
  }
  if (made !== undefined) request.onMade(made);
}

/** The message that the phone will list under the identifier that it answered. Its identifier here is the send's key. */
function madeBy({ udn, key, epoch, arguments: given }: SendRequest, messageId: string): KnownItem | undefined {
  if (messageId === '') return undefined;
  try {
    const context = { device: udn, action: 'SendMessage' };
    const message = readDocument('message', given.MessageToSend ?? '', context);
    return { id: key, messageId, epoch, fingerprint: fingerprintOfSend(message) };
  } catch {
    return { id: key, messageId, epoch, fingerprint: '' };
  }
}

async function settle(
  journal: Journal,
  calls: PhoneCalls,
  request: SendRequest,
  send: Omit<Send, 'outcome'>,
): Promise<TextArguments> {
  const found = await findOutcome(journal, calls, request.udn, send);
  if (typeof found === 'object') {
    finish(journal, request, found.result);
    return found.result;
  }
  const { doubtedRefusal } = send;
  if (found === 'untold' || doubtedRefusal === undefined) throw unknownOutcome(send.action);
  journal.doubtSend(send.key, doubtedRefusal, 'absent');
  throw errorOf(doubtedRefusal);
}

function unknownOutcome(action: string, cause?: unknown): GatewayError {
  const detail = `The phone's answer to ${action} does not tell whether it was done, and neither does what it holds.`;
  return new GatewayError('outcome-unknown', detail, { cause });
}
