// What an action changed at the phone, so that the cloud knows of it before the phone tells.
import type { ActionName } from '../../protocol/actions.ts';
import type { TextArguments } from '../messaging/control-point.ts';
import { readDocument } from '../messaging/documents.ts';
import { readMessageList } from '../messaging/list-stream.ts';
import type { PhoneSynchroniser } from '../messaging/synchronise.ts';

/**
 * What an action changed is looked at right after it, or told at once where the answer already shows it. `acted` is our
 * identifier of the message that a deletion was about, where a look has just proved it.
 */
export function noteEffect(
  synchroniser: PhoneSynchroniser,
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

function noteRead(synchroniser: PhoneSynchroniser, messageId: string, xml: string): void {
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
