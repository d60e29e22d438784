// What is known of one phone's messages: those that it lists, and those that it no longer lists and may list again.
import type { InventoryItem } from '../../protocol/frames.ts';

/** As the journal keeps it. */
export interface KnownItem {
  readonly id: string;
  readonly messageId: string;
  readonly epoch: number;
  readonly fingerprint: string;
  /** Since when the phone no longer lists it, epoch milliseconds; of a deleted one, when it was deleted. */
  readonly absentMs?: number | undefined;
  /** That it is gone needs no second proof: it was told, or a reset of the phone took it. */
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
  /** The fingerprint that the cloud has, where it is another one; empty: the cloud must be told again. */
  told: string | undefined;
  /** Number of the latest look that showed it. */
  lastSeen = 0;
  /** It took the identifier of another message, and the phone was not looked at whole since. */
  isReplacing = false;
  /** Whether the journal has it; what only the cloud knew is written down with the whole look that follows. */
  isKept = true;

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

/** A phone that names ever other messages by one identifier is broken or hostile: the oldest are forgotten. */
const maxUnderOne = 64;
/** What is forgotten and listed again after all becomes a new message. About 15 MB in memory, 50,000 messages. */
const maxGoneChars = 16 * 1024 * 1024;
/** Of one message, besides the phone's own identifier. */
const itemChars = 256;

export class KnownMessages {
  readonly #byId = new Map<string, KnownMessage>();
  /** One for most identifiers; several after a reset. */
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

  /** All that were ever known by the phone's identifier, oldest first. */
  under(messageId: string): readonly KnownMessage[] {
    const known = this.#byMessageId.get(messageId);
    return known === undefined ? [] : Array.isArray(known) ? known : [known];
  }

  /** Answers what is forgotten for it. */
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

  /** The phone names it otherwise now. */
  move(item: KnownMessage, messageId: string): void {
    this.remove(item);
    item.messageId = messageId;
    this.add(item);
  }

  clear(): void {
    this.#byId.clear();
    this.#byMessageId.clear();
  }

  /** Takes out what is gone over the bound, the longest gone first; what the phone still lists stays known as deleted. */
  takeExcess(lookNumber: number): KnownMessage[] {
    const gone = [...this.#byId.values()].filter((item) => !item.isPresent && item.lastSeen < lookNumber);
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
 * Merges what the cloud knows into what the journal remembers. What only one of them knows is told again when it is
 * listed; what the household deleted stays deleted, for its event may still be on the way.
 */
export function mergeInventory(
  known: KnownMessages,
  items: readonly InventoryItem[],
  phone: { epoch: number; nowMs: number },
): void {
  for (const item of known) item.told = '';
  for (const { id, messageId, epoch, fingerprint, absent, deleted } of items) {
    const before = known.find(id);
    const absentMs = absent === true || deleted === true ? (before?.absentMs ?? phone.nowMs) : undefined;
    if (before === undefined) {
      // What a former epoch left behind was taken by a reset.
      const isSettled = absent === true && epoch < phone.epoch;
      const item = new KnownMessage({ id, messageId, epoch, fingerprint, absentMs, isSettled, isDeleted: deleted });
      item.isKept = false;
      known.add(item);
      continue;
    }
    if (before.messageId !== messageId && messageId !== '') before.told = '';
    else before.told = fingerprint === before.fingerprint ? undefined : fingerprint;
    if (before.fingerprint === '') before.fingerprint = fingerprint;
    if (before.isDeleted) continue;
    before.isDeleted = deleted === true;
    // The cloud has it as on the phone although it was told otherwise: it is told once more. And the other way round.
    if (before.absentMs === undefined && absent === true) before.told = '';
    else before.absentMs = absentMs;
  }
}
