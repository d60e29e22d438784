// The inventory of a phone's messages for its agent, and how a deleted message is recognised.
import type { InventoryItem } from '../../../protocol/frames.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import type { MessageRecord } from '../message-store.ts';

/** `epoch`: the phone's present one, for records without. A send that the phone never listed has no fingerprint. */
export function inventoryItemOf(
  record: Pick<MessageRecord, 'id' | 'messageId' | 'epoch' | 'fingerprint'> & { onPhone?: boolean },
  epoch: number,
): InventoryItem {
  const { id, messageId, fingerprint, onPhone = true } = record;
  return {
    id,
    messageId: messageId ?? '',
    epoch: record.epoch ?? epoch,
    fingerprint: fingerprint ?? '',
    ...(!onPhone && { absent: true }),
  };
}

/**
 * Whether a message under the identifier of a deleted one is the same: it has the same time, or lies in the folder to
 * which the phone moved it. A phone reuses identifiers; the later message has another time.
 */
export function isDeletedAgain(deleted: { time: string }, message: PhoneMessage): boolean {
  return message.folder === 'Deleted' || message.time === deleted.time;
}
