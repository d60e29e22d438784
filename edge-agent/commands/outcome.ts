// Looks up on the phone whether it did an action after an answer that does not tell.
import { ANY } from '../../protocol/actions.ts';
import { effectOf, GatewayError, isPassingRefusal } from '../../protocol/errors.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';
import { defaultDeadlineMs, type PhoneCalls, type TextArguments } from '../messaging/control-point.ts';
import { readDocument } from '../messaging/documents.ts';
import { compareEvidence, isSameMessage } from '../messaging/evidence.ts';
import type { TakeMessages } from '../messaging/message-list.ts';
import { FullSearch } from '../messaging/message-search.ts';
import { takeMatch } from '../messaging/open-sends.ts';
import { fullSearch } from '../messaging/pending-sync.ts';
import type { Journal, Send } from '../tunnel/journal.ts';
import { UpnpError } from '../upnp/error.ts';
import { effectAtPhone } from './translation.ts';

/** For an action that was begun and whose outcome is not known yet. */
export function pending(action: string, cause?: unknown): GatewayError {
  const detail = `The phone's answer to ${action} does not tell what came of it. That is looked up as soon as the phone answers.`;
  return new GatewayError('outcome-pending', detail, { cause });
}

/**
 * What the phone's lists tell of an action: what it would have answered; `absent`, that they lack its effect; `untold`,
 * nothing, now or later.
 */
export type FoundOutcome = { readonly result: TextArguments } | 'absent' | 'untold';

/**
 * Looks on the phone for what the action would have made and what was not there before it.
 * @throws GatewayError `outcome-pending` while the lists cannot be read, and before the phone was compared for the first time
 */
export async function findOutcome(
  journal: Journal,
  calls: PhoneCalls,
  udn: string,
  send: LookedUp,
): Promise<FoundOutcome> {
  if (!isReadable(udn, send)) return 'untold';
  // Without a list from before, an old message with the same words would be taken for the new one.
  if (journal.readPhone(udn).comparedStore === undefined) throw pending(send.action);
  try {
    const result = await lookUp(journal, calls, udn, send);
    return result === undefined ? 'absent' : { result };
  } catch (error) {
    if (error instanceof GatewayError) throw effectOf(error) === 'pending' ? error : pending(send.action, error);
    if (!(error instanceof UpnpError)) throw error;
    // A phone that has no such list will have none later either.
    if (error.kind === 'refused' && effectAtPhone(error) === 'none' && !isPassingRefusal(error)) return 'untold';
    throw pending(send.action, error);
  }
}

type LookedUp = Pick<Send, 'key' | 'action' | 'arguments'>;

/** Whether we know what to look for: a caller may pass a document of its phone's own dialect. */
function isReadable(device: string, { action, arguments: given }: LookedUp): boolean {
  const context = { device, action };
  try {
    if (action === 'SendMessage') readDocument('message', given.MessageToSend ?? '', context);
    if (action === 'CreateSession') readDocument('recipientsList', given.SessionRecipients ?? '', context);
    if (action === 'StartFileTransfer') readDocument('fileInfoList', given.FileInfoList ?? '', context);
    return true;
  } catch {
    return false;
  }
}

async function lookUp(
  journal: Journal,
  calls: PhoneCalls,
  udn: string,
  send: LookedUp,
): Promise<TextArguments | undefined> {
  const options = { deadlineMs: defaultDeadlineMs };
  const context = { device: udn, action: send.action };
  if (send.action === 'SendMessage') {
    const message = readDocument('message', send.arguments.MessageToSend ?? '', context);
    let made: string | undefined;
    const isFound = () => made !== undefined;
    const { isComplete } = await listSent(calls, isFound, (entries) => {
      const match = entries.find(
        (entry) => !isKnown(journal, udn, entry.message) && takeMatch([{ key: send.key, message }], entry.message),
      );
      made ??= match?.message.messageId;
    });
    if (made !== undefined) return { MessageID: made };
    // What a broken list does not show may still be there: sending again could send twice.
    if (!isComplete) throw pending(send.action);
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

/** The messages in the folders of a send; all messages of a phone that does not list these folders alone. */
async function listSent(
  calls: PhoneCalls,
  isFound: () => boolean,
  take: TakeMessages,
): Promise<{ isComplete: boolean }> {
  const options = { deadlineMs: defaultDeadlineMs };
  try {
    let isComplete = true;
    for (const MessageFolder of ['Outgoing', 'Sent']) {
      const list = await calls.searchMessages({ ...fullSearch, MessageFolder }, options, take);
      isComplete &&= list.isComplete;
      if (isFound()) break;
    }
    return { isComplete };
  } catch (error) {
    const isRefused = error instanceof UpnpError && error.kind === 'refused' && effectAtPhone(error) === 'none';
    if (!isRefused || isPassingRefusal(error)) throw error;
    return new FullSearch().list(calls, options, take);
  }
}

/** Whether the phone had this message before. Its identifier alone does not tell: a reset phone counts from the start. */
function isKnown(journal: Journal, udn: string, message: PhoneMessage): boolean {
  return journal
    .messagesUnder(udn, message.messageId)
    .some(({ fingerprint }) => isSameMessage(compareEvidence(fingerprint, message)));
}

/**
 * Whether the phone's lists show it as the action would have left it.
 * @throws UpnpError
 */
export async function isDone(
  calls: PhoneCalls,
  { action, arguments: given }: Pick<Send, 'action' | 'arguments'>,
): Promise<boolean> {
  const options = { deadlineMs: defaultDeadlineMs };
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
  const { SessionsList } = await calls.model('GetSessions', input, { deadlineMs: defaultDeadlineMs });
  return SessionsList.find((session) => session.sessionId === sessionId);
}

function isOpen(status: FileInfo['status']): boolean {
  return status === 'pending' || status === 'transferring';
}

function hasRecipient(session: PhoneSession, address: string): boolean {
  return session.recipients.some((party) => party.address === address);
}
