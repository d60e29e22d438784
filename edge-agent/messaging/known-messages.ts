// The known messages of one phone: listed ones, and missing ones that it may list again.
import type { InventoryItem } from '../../protocol/frames.ts';

/** The form that the journal stores. */
export interface KnownItem {
  readonly id: string;
  readonly messageId: string;
  readonly epoch: number;
  readonly fingerprint: string;
  /** Since when the phone no longer lists it, epoch milliseconds; for a deleted one, when it was deleted. */
  readonly absentMs?: number | undefined;
  /** Its absence needs no second proof: it was reported as confirmed, or a reset of the phone caused it. */
  readonly isSettled?: boolean | undefined;
  /** The household deleted it. */
  readonly isDeleted?: boolean | undefined;
}

export class KnownMessage implements KnownItem {
  readonly id: string;
  messageId: string;
  readonly epoch: number;
  fingerprint: string;
  absentMs: number | undefined;
  isSettled: boolean;
  isDeleted: boolean;
  /** The fingerprint that the cloud has, if it differs; empty: report it to the cloud again. */
  reportedFingerprint: string | undefined;
  /** Number of the latest pass that showed it. */
  lastSeen = 0;
  /** It took the identifier of another message, and no complete list has followed yet. */
  isReplacing = false;
  /** Whether the journal has it; what only the cloud knew is written with the next complete list. */
  isJournalled = true;

  constructor({ id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted }: KnownItem) {
    this.id = id;
    this.messageId = messageId;
    this.epoch = epoch;
    this.fingerprint = fingerprint;
    this.absentMs = absentMs;
    this.isSettled = isSettled === true;
    this.isDeleted = isDeleted === true;
  }

  get isPresent(): boolean {
    return this.absentMs === undefined && !this.isDeleted;
  }
}

/** A phone that reuses one identifier for ever more messages is broken or hostile: the oldest are evicted. */
const maxUnderOne = 64;
/** Cap on missing messages: about 15 MB of memory, 50,000 messages. An evicted one that is listed again counts as new. */
const maxGoneChars = 16 * 1024 * 1024;
/** Per message, besides the phone's own identifier. */
const itemChars = 256;

export class KnownMessages {
  readonly #byId = new Map<string, KnownMessage>();
  /** One message per identifier in most cases; several after a reset. */
  readonly #byMessageId = new Map<string, KnownMessage | KnownMessage[]>();

  get size(): number {
    return this.#byId.size;
  }

  [Symbol.iterator](): IterableIterator<KnownMessage> {
    return this.#byId.values();
  }

  countPresent(): number {
    let count = 0;
    for (const item of this.#byId.values()) if (item.isPresent) count++;
    return count;
  }

  find(id: string): KnownMessage | undefined {
    return this.#byId.get(id);
  }

  /** All messages ever known under the phone's identifier, oldest first. */
  under(messageId: string): readonly KnownMessage[] {
    const known = this.#byMessageId.get(messageId);
    return known === undefined ? [] : Array.isArray(known) ? known : [known];
  }

  /** Returns the message evicted for it, if any. */
  add(item: KnownMessage): KnownMessage | undefined {
    const before = this.#byId.get(item.id);
    if (before !== undefined) this.remove(before);
    this.#byId.set(item.id, item);
    const under = [...this.under(item.messageId), item];
    this.#byMessageId.set(item.messageId, under.length === 1 ? item : under);
    const excess = under.length > maxUnderOne ? (under.find((each) => !each.isPresent) ?? under[0]) : undefined;
    if (excess !== undefined) this.remove(excess);
    return excess;
  }

  remove(item: KnownMessage): void {
    if (this.#byId.get(item.id) === item) this.#byId.delete(item.id);
    const rest = this.under(item.messageId).filter((each) => each !== item);
    const [first] = rest;
    if (first === undefined) this.#byMessageId.delete(item.messageId);
    else this.#byMessageId.set(item.messageId, rest.length === 1 ? first : rest);
  }

  /** The phone has renumbered the message. */
  move(item: KnownMessage, messageId: string): void {
    this.remove(item);
    item.messageId = messageId;
    this.add(item);
  }

  clear(): void {
    this.#byId.clear();
    this.#byMessageId.clear();
  }

  /** Evicts missing messages over the cap, longest missing first. Deleted ones that the phone still lists stay. */
  evictExcess(passNumber: number): KnownMessage[] {
    const gone = [...this.#byId.values()].filter((item) => !item.isPresent && item.lastSeen < passNumber);
    let chars = gone.reduce((sum, { messageId }) => sum + itemChars + messageId.length, 0);
    if (chars <= maxGoneChars) return [];
    gone.sort((one, other) => (one.absentMs ?? 0) - (other.absentMs ?? 0));
    const excess: KnownMessage[] = [];
    for (const item of gone) {
      if (chars <= maxGoneChars) break;
      chars -= itemChars + item.messageId.length;
      excess.push(item);
    }
    for (const item of excess) this.remove(item);
    return excess;
  }
}

/**
 * Merges the cloud's knowledge into the journal's. A message that only one of them knows is reported again when listed; a
 * message deleted by the household stays deleted, because its event may still be in flight.
 */
export function mergeInventory(
  known: KnownMessages,
  items: readonly InventoryItem[],
  phone: { epoch: number; nowMs: number },
): void {
  for (const item of known) item.reportedFingerprint = '';
  for (const { id, messageId, epoch, fingerprint, absent, deleted } of items) {
    const before = known.find(id);
    const absentMs = absent === true || deleted === true ? (before?.absentMs ?? phone.nowMs) : undefined;
    if (before === undefined) {
      // Messages of an earlier epoch disappeared in a reset.
      const isSettled = absent === true && epoch < phone.epoch;
      const item = new KnownMessage({ id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted: deleted });
      item.isJournalled = false;
      known.add(item);
      continue;
    }
    if (before.messageId !== messageId && messageId !== '') before.reportedFingerprint = '';
    else before.reportedFingerprint = fingerprint === before.fingerprint ? undefined : fingerprint;
    if (before.fingerprint === '') before.fingerprint = fingerprint;
    if (before.isDeleted) continue;
    before.isDeleted = deleted === true;
    // The cloud has it as present although it was reported absent, or the reverse: report it once more.
    if (before.absentMs === undefined && absent === true) before.reportedFingerprint = '';
    else before.absentMs = absentMs;
  }
}
