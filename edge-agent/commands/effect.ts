// Tells the synchroniser what an action changed at the phone, so that the cloud knows before the phone's event comes.
import type { ActionName } from '../../protocol/actions.ts';
import type { TextArguments } from '../messaging/control-point.ts';
import { readDocument } from '../messaging/documents.ts';
import { readMessageList } from '../messaging/list-stream.ts';
import type { PhoneSynchroniser } from '../messaging/synchronise.ts';

/** The part of a synchroniser that takes notes of effects. */
export type EffectNotes = Pick<PhoneSynchroniser, 'request' | 'onDeleted' | 'onSeen'>;

/**
 * Requests a look at what an action changed, or tells the change at once if the answer already shows it. `acted` is our
 * identifier of the deleted message, if a look has just proved which it is.
 */
export function noteEffect(
  synchroniser: EffectNotes,
  action: ActionName,
  given: TextArguments,
  output: TextArguments,
  acted: string | undefined,
): void {
  const sessionId = given.SessionID ?? output.SessionID ?? '';
  switch (action) {
    case 'SendMessage':
      synchroniser.request((pendingSync) => pendingSync.addSent());
      break;
    case 'ReadMessage':
      noteRead(synchroniser, given.MessageID ?? '', output.MessageRequested ?? '');
      break;
    case 'DeleteMessage':
      if (acted === undefined) synchroniser.request((pendingSync) => pendingSync.addAllMessages());
      else synchroniser.onDeleted(acted);
      break;
    case 'StartFileTransfer':
      synchroniser.request((pendingSync) => {
        for (const id of sessionsOf(given.FileInfoList ?? '')) pendingSync.addSession(id, { files: true });
      });
      break;
    case 'CancelFileTransfer':
      synchroniser.request((pendingSync) => pendingSync.addSession(sessionId, { files: true }));
      break;
    default:
      synchroniser.request((pendingSync) => pendingSync.addSession(sessionId, { messages: true }));
  }
}

function sessionsOf(fileInfoList: string): string[] {
  try {
    const files = readDocument('fileInfoList', fileInfoList, { device: '', action: 'StartFileTransfer' });
    return files.map((file) => file.sessionId);
  } catch {
    return [];
  }
}

function noteRead(synchroniser: EffectNotes, messageId: string, xml: string): void {
  const entry = readOrEmpty(xml).find(({ message }) => message.messageId === messageId);
  if (entry === undefined) synchroniser.request((pendingSync) => pendingSync.addAllMessages());
  else synchroniser.onSeen({ message: { ...entry.message, status: 'Read' }, xml: entry.xml });
}

function readOrEmpty(xml: string): ReturnType<typeof readMessageList> {
  try {
    return readMessageList(xml, { device: '', action: 'ReadMessage' });
  } catch {
    return [];
  }
}
