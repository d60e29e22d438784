// Actions that must not happen twice: each is journalled before the phone is asked and after it answered, and after a
// lost answer its effect is looked up on the phone: `outcome-pending` until that can be done, and what the phone then
// does not show is `outcome-unknown`, never tried again (C15). Those that do no more when they are done twice are done
// again instead, but never after their outcome is known: something else may have happened since.
import type { ActionName } from '../../protocol/actions.ts';
import { ANY, actions } from '../../protocol/actions.ts';
import { GatewayError, isErrorCode } from '../../protocol/errors.ts';
import type { InventoryItem } from '../../protocol/frames.ts';
import type { FileInfo, PhoneSession } from '../../protocol/model.ts';
import { wholeSearch } from '../messaging/agenda.ts';
import { type PhoneCalls, standardDeadlineMs, type TextArguments } from '../messaging/control-point.ts';
import { readDocument } from '../messaging/documents.ts';
import { isMessageKey } from '../messaging/identity.ts';
import { takeMatch } from '../messaging/known-messages.ts';
import type { Journal, Send } from '../tunnel/journal.ts';
import { UpnpError } from '../upnp/error.ts';
import { translate } from './translation.ts';

export interface SendRequest {
  readonly udn: string;
  readonly key: string;
  readonly action: ActionName;
  readonly arguments: TextArguments;
  readonly epoch: number;
  readonly deadlineMs: number;
  /** Told of a message that is known by the key from now on. */
  onMade(item: InventoryItem): void;
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
  } catch (error) {
    const heldBack = error instanceof UpnpError && error.cause instanceof GatewayError ? error.cause : undefined;
    const failure = heldBack ?? translate(error, { repeatable });
    if (failure.code === 'outcome-unknown') return settle(journal, calls, request, { ...send, outcome: undefined });
    // What is asked for a second time, such as to accept a session, may be refused because the first time had done it.
    const wasDone = failure.code === 'phone-refused' && asked > 1 && (await isDone(calls, send));
    if (!wasDone) {
      if (failure.code === 'phone-refused') journal.finishSend(udn, key, { failure: failureOf(failure) });
      // Certainly not done: the same key may try again.
      else if (earlier === undefined && !mayBeDone(error)) journal.abandonSend(key);
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

function failureOf(error: GatewayError): { code: string; detail: string; upnpCode?: number; upnpDescription?: string } {
  return { code: error.code, detail: error.message, ...error.refusal };
}

function finish(journal: Journal, request: SendRequest, result: TextArguments): void {
  const { udn, key, action, epoch } = request;
  const messageId = action === 'SendMessage' && isMessageKey(key) ? (result.MessageID ?? '') : '';
  // A phone that gives a known identifier again has not made a new message of it that could be told apart.
  const isNew = messageId !== '' && !journal.isKnown(udn, messageId);
  const made = isNew ? { id: key, messageId, epoch, fingerprint: '' } : undefined;
  try {
    journal.finishSend(udn, key, { result }, made);
  } catch {
    // The phone has done it. The journal holds the send as begun, and the next look at the phone settles it there.
    return;
  }
  if (made !== undefined) request.onMade(made);
}

async function settle(journal: Journal, calls: PhoneCalls, request: SendRequest, send: Send): Promise<TextArguments> {
  const result = await lookUp(journal, calls, request, send).catch((error: unknown) => {
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

/** Of what was begun and is not settled yet, nothing else can be said. */
export function pending(action: string, cause?: unknown): GatewayError {
  const detail = `The phone's answer to ${action} was lost. What came of it is looked up as soon as the phone answers.`;
  return new GatewayError('outcome-pending', detail, { cause });
}

/**
 * What the phone holds now and did not hold before the action, and is what the action would have made.
 * @throws UpnpError, and GatewayError `outcome-pending` before the phone was compared for the first time
 */
async function lookUp(
  journal: Journal,
  calls: PhoneCalls,
  { udn }: SendRequest,
  send: Send,
): Promise<TextArguments | undefined> {
  // Without a list from before, an old message with the same words would be taken for the new one.
  if (journal.readPhone(udn).comparedStore === undefined) throw pending(send.action);
  const options = { deadlineMs: standardDeadlineMs };
  const context = { device: udn, action: send.action };
  if (send.action === 'SendMessage') {
    const message = readDocument('message', send.arguments.MessageToSend ?? '', context);
    for (const MessageFolder of ['Outgoing', 'Sent']) {
      const search = { ...wholeSearch, MessageFolder };
      for (const entry of await calls.searchMessages(search, options)) {
        if (journal.isKnown(udn, entry.message.messageId)) continue;
        if (takeMatch([{ key: send.key, message }], entry.message)) return { MessageID: entry.message.messageId };
      }
    }
  }
  if (send.action === 'CreateSession') {
    const known = new Set(journal.sessionsOf(udn).map(({ session }) => session.sessionId));
    const recipients = readDocument('recipientsList', send.arguments.SessionRecipients ?? '', context);
    const { SessionClass = ANY, Subject = '' } = send.arguments;
    const input = { SessionID: '', SessionClass, SessionStatus: ANY };
    const { SessionsList } = await calls.model('GetSessions', input, options);
    const made = SessionsList.find(
      (session) =>
        !known.has(session.sessionId) &&
        (session.subject ?? '') === Subject &&
        recipients.every(({ address }) => hasRecipient(session, address)),
    );
    if (made !== undefined) return { SessionID: made.sessionId };
  }
  return (await isDone(calls, send)) ? {} : undefined;
}

/** Whether the phone is as the action would have left it, as far as its lists tell. Throws UpnpError. */
async function isDone(calls: PhoneCalls, { action, arguments: given }: Omit<Send, 'outcome'>): Promise<boolean> {
  const options = { deadlineMs: standardDeadlineMs };
  const { SessionID = '' } = given;
  switch (action) {
    case 'AcceptSession':
    case 'JoinSession':
      return (await findSession(calls, SessionID))?.status === 'Running';
    case 'LeaveSession': {
      const status = (await findSession(calls, SessionID))?.status;
      return status === 'Parked' || status === 'Closed';
    }
    case 'CloseSession': {
      const session = await findSession(calls, SessionID);
      return session === undefined || session.status === 'Closed';
    }
    case 'CancelFileTransfer': {
      const { FileInfoList } = await calls.model('GetFileTransferSession', { SessionID }, options);
      return FileInfoList.every(({ status }) => !isOpen(status));
    }
    case 'StartFileTransfer': {
      const asked = readDocument('fileInfoList', given.FileInfoList ?? '', { device: '', action });
      for (const [sessionId, files] of Map.groupBy(asked, (file) => file.sessionId)) {
        const { FileInfoList } = await calls.model('GetFileTransferSession', { SessionID: sessionId }, options);
        const isStarted = ({ fileId }: FileInfo) =>
          FileInfoList.some((file) => file.fileId === fileId && (isOpen(file.status) || file.status === 'completed'));
        if (!files.every(isStarted)) return false;
      }
      return asked.length > 0;
    }
    default:
      return false;
  }
}

/** Undefined where the phone no longer lists it. */
async function findSession(calls: PhoneCalls, sessionId: string): Promise<PhoneSession | undefined> {
  const input = { SessionID: sessionId, SessionClass: ANY, SessionStatus: ANY };
  const { SessionsList } = await calls.model('GetSessions', input, { deadlineMs: standardDeadlineMs });
  return SessionsList.find((session) => session.sessionId === sessionId);
}

function isOpen(status: FileInfo['status']): boolean {
  return status === 'pending' || status === 'transferring';
}

function hasRecipient(session: PhoneSession, address: string): boolean {
  return session.recipients.some((party) => party.address === address);
}
