// What an agent is told that the cloud knows of a phone's messages, and by what a deleted one is known again.
import type { InventoryItem } from '../../../protocol/frames.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import type { MessageRecord } from '../message-store.ts';

/** `epoch`: of the phone now, for records that do not name theirs. A send that the phone never showed has no fingerprint. */
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
 * Whether a message under the phone's identifier of a deleted one is that one: it has its time, or lies where the phone
 * moved it when it was deleted. Another that was given the same identifier has another time.
 */
export function isDeletedAgain(deleted: { time: string }, message: PhoneMessage): boolean {
  return message.folder === 'Deleted' || message.time === deleted.time;
}
