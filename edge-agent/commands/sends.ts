// Actions that must not happen twice: each is journalled before the phone is asked and after it answered, and after a
// lost answer its effect is looked up on the phone (outcome.ts): `outcome-pending` until that can be done, and what the
// phone then does not show is `outcome-unknown`, never tried again (C15). Those that do no more when they are done twice
// are done again instead, but never after their outcome is known: something else may have happened since.
import { type ActionName, actions } from '../../protocol/actions.ts';
import { GatewayError, isErrorCode, isPassingRefusal } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import type { PhoneCalls, TextArguments } from '../messaging/control-point.ts';
import { readDocument } from '../messaging/documents.ts';
import { fingerprintOfSend } from '../messaging/evidence.ts';
import { isMessageKey } from '../messaging/identity.ts';
import type { KnownItem } from '../messaging/known-messages.ts';
import type { Journal, Send } from '../tunnel/journal.ts';
import { UpnpError } from '../upnp/error.ts';
import { isDone, lookUp, pending } from './outcome.ts';
import { translate } from './translation.ts';

export interface SendRequest {
  readonly udn: string;
  readonly key: string;
  readonly action: ActionName;
  readonly arguments: TextArguments;
  readonly epoch: number;
  readonly deadlineMs: number;
  /** Told of a message that is known by the key from now on. */
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
      // Not before the connection stands: a crash in between would leave open what never left this machine.
      beforeSend: () => {
        if (asked === 0) begin(journal, udn, send);
        asked++;
      },
    });
    refuseLong(result);
  } catch (error) {
    const heldBack = error instanceof UpnpError && error.cause instanceof GatewayError ? error.cause : undefined;
    const failure = heldBack ?? translate(error, { repeatable });
    if (failure.code === 'outcome-unknown') return settle(journal, calls, request, { ...send, outcome: undefined });
    // What is asked for a second time, such as to accept a session, may be refused because the first time had done it.
    const wasDone = failure.code === 'phone-refused' && asked > 1 && (await isDone(calls, send));
    if (!wasDone) {
      const isPassing = isPassingRefusal(failure.refusal);
      if (failure.code === 'phone-refused' && !isPassing) {
        journal.finishSend(udn, key, { failure: failureOf(failure) });
      }
      // Certainly not done: the same key may try again.
      else if (earlier === undefined && (isPassing || !mayBeDone(error))) journal.abandonSend(key);
      throw failure;
    }
    result = {};
  }
  finish(journal, request, result);
  return result;
}

function mayBeDone(error: unknown): boolean {
  return error instanceof UpnpError && error.outcome !== 'not-done';
}

/** What cannot be written down is not done. Throws `store-unavailable`. */
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
  const { code, detail, upnpCode, upnpDescription = '' } = outcome.failure;
  throw new GatewayError(isErrorCode(code) ? code : 'internal', detail, {
    ...(upnpCode !== undefined && { refusal: { upnpCode, upnpDescription } }),
  });
}

function failureOf({ code, message, refusal }: GatewayError) {
  const detail = message.slice(0, limits.shortTextChars);
  if (refusal === undefined) return { code, detail };
  const { upnpCode, upnpDescription } = refusal;
  return { code, detail, upnpCode, upnpDescription: upnpDescription.slice(0, limits.shortTextChars) };
}

/** What such an action answers is the identifier of what it made: a longer text is none. */
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
    // The phone has done it. The journal holds the send as begun, and the next look at the phone settles it there.
    return;
  }
  if (made !== undefined) request.onMade(made);
}

/** What the phone will list under the identifier that it answered, known by the send's key from now on. */
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

async function settle(journal: Journal, calls: PhoneCalls, request: SendRequest, send: Send): Promise<TextArguments> {
  const result = await lookUp(journal, calls, request.udn, send).catch((error: unknown) => {
    // What came of it can be asked when the phone is there again.
    if (error instanceof UpnpError && error.kind === 'unreachable') throw pending(send.action, error);
    if (error instanceof GatewayError && error.code === 'outcome-pending') throw error;
    return undefined;
  });
  if (result === undefined) {
    throw new GatewayError(
      'outcome-unknown',
      `The phone's answer to ${send.action} was lost, and what it holds does not tell whether it was done.`,
    );
  }
  finish(journal, request, result);
  return result;
}
