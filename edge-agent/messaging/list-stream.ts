// Parses a phone's list of messages while it arrives, and emits each message when its element closes. Handles wrappers,
// junk, extra levels of escaping and broken markup like the reader of whole documents.
import { type DocumentContext, DocumentError } from './document-tree.ts';
import { ListLevel } from './list-level.ts';
import { type ListRead, type MessageEntry, MessageReader } from './message-list.ts';

/** Larger than any message or junk; after it no message is expected. */
const maxSilentChars = 64 * 1024 * 1024;
/** The same for a list that can no longer be parsed. */
const maxSilentCharsBroken = 4 * 1024 * 1024;
const pieceChars = 16 * 1024;

export interface ListStreamOptions {
  readonly context: DocumentContext;
  emit(entries: MessageEntry[]): void;
}

export class MessageListStream {
  readonly #options: ListStreamOptions;
  readonly #level: ListLevel;
  readonly #reading: MessageReader;
  #count = 0;
  #silentChars = 0;
  /** For error messages. */
  #start = '';

  constructor(options: ListStreamOptions) {
    this.#options = options;
    this.#reading = new MessageReader(options.context);
    this.#level = new ListLevel(1, (xml, declarations, cut) =>
      this.#emit(this.#reading.read({ xml, declarations, cut })),
    );
  }

  /** So much has come without a message that none is expected. */
  get isOver(): boolean {
    return this.#silentChars > (this.#level.failure === undefined ? maxSilentChars : maxSilentCharsBroken);
  }

  write(text: string): void {
    this.#silentChars += text.length;
    if (this.#start.length < 200) this.#start += text.slice(0, 200);
    for (let at = 0; at < text.length; at += pieceChars) this.#level.write(text.slice(at, at + pieceChars));
  }

  /** @throws DocumentError when it holds no message and is not an empty list */
  end(): ListRead {
    const isClosed = this.#level.end();
    this.#emit(this.#reading.end());
    if (this.#count === 0 && !(isClosed && this.#level.isEmptyList)) {
      const { failure, hasList } = this.#level;
      const reason = isClosed ? 'holds no message and is not an empty list' : 'is no XML';
      if (isClosed || this.isOver || failure !== undefined || !hasList) {
        throw new DocumentError('messageList', this.#start, this.#options.context, reason, failure);
      }
    }
    return { isComplete: isClosed, count: this.#count };
  }

  #emit(entries: MessageEntry[]): void {
    this.#count += entries.length;
    this.#silentChars = 0;
    if (entries.length > 0) this.#options.emit(entries);
  }
}

/** Reads a device's whole list from a string. Throws DocumentError when it is unreadable. */
export function readMessageList(xml: string, context: DocumentContext): MessageEntry[] {
  const entries: MessageEntry[] = [];
  const stream = new MessageListStream({ context, emit: (batch) => void entries.push(...batch) });
  stream.write(xml);
  const { isComplete, count } = stream.end();
  if (!isComplete && count === 0) throw new DocumentError('messageList', xml, context, 'is no XML');
  return entries;
}
