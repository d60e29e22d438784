// One document of a streamed list: the argument itself, or one escaped inside it. Finds its messages, and cuts their source.
import { UpnpError } from '../upnp/error.ts';
import { XmlStream } from '../upnp/xml/xml-stream.ts';
import { escapeAttribute } from '../upnp/xml/xml-text.ts';
import { itemNames } from './message-list.ts';
import { endedPieces, PieceStream, piecesOf } from './message-pieces.ts';
import { SourceCollector } from './message-source.ts';
import { homelineProfile } from './profile.ts';
import { plainName, plainNames } from './record.ts';

/** A list may be nested in a list element, its envelope, a root and the argument; no message is deeper. */
const maxItemDepth = 6;
const maxListDepth = 4;
/** A list that is escaped more often is not accepted. */
const maxLevels = 3;
const items = plainNames(itemNames);
const lists = plainNames(homelineProfile.documents.messageList.names);

/** An open element outside any message. */
interface Wrapper {
  readonly name: string;
  readonly isItem: boolean;
  /** Namespace declarations by attribute. */
  readonly declarations: ReadonlyMap<string, string>;
  hasChild: boolean;
  hasText: boolean;
  /** Parses the text of this element, if that is a document itself. */
  inner: ListLevel | undefined;
}

interface Item {
  readonly source: SourceCollector;
  readonly declarations: string;
  /** Number of open elements, this one included. */
  depth: number;
  /** Position up to which the stream was copied to `source`. */
  consumed: number;
  /** All child elements are named like a message and there is no text: it may be a wrapper. */
  hasItemsOnly: boolean;
  /** Start of the first child in the source. */
  innerStart: number | undefined;
  /** The last inner element named like a message: its start in the source, and its depth. */
  nested: { at: number; depth: number } | undefined;
}

export type EmitSource = (xml: string, declarations: string, cut: ReadonlySet<string>) => void;

/** One document: the argument itself, or one escaped inside it. */
export class ListLevel {
  readonly #number: number;
  readonly #emit: EmitSource;
  readonly #xml: XmlStream;
  readonly #open: Wrapper[] = [];
  readonly #top: Wrapper = wrapper('', new Map());
  #item: Item | undefined;
  /** The list element, once seen. */
  #list: Wrapper | undefined;
  #inner: ListLevel | undefined;
  #pieces: PieceStream | undefined;
  /** Why the document could not be parsed to its end. */
  failure: UpnpError | undefined;
  #isBroken = false;

  constructor(number: number, emit: EmitSource) {
    this.#number = number;
    this.#emit = emit;
    this.#xml = new XmlStream({
      onOpen: (name, attributes, start, end) => this.#onOpen(name, attributes, start, end),
      onClose: (_name, isWritten, start, end) => this.#onClose(isWritten, start, end),
      onText: (text, end) => this.#onText(text, end),
      onCdata: (isOpen, end) => {
        const item = this.#item;
        if (item === undefined) return;
        item.source.setCdata(isOpen, this.#take(item, end), this.#field(item));
      },
      // Entities are never expanded, and the reader of a single message refuses declarations.
      onDeclaration: () => {
        this.#onFault();
        return true;
      },
      onFault: () => this.#onFault(),
    });
  }

  get hasList(): boolean {
    return this.#inner?.hasList ?? this.#list !== undefined;
  }

  /** True for nothing at all or a list element without entries; another kind of page is not a list. */
  get isEmptyList(): boolean {
    if (this.#inner !== undefined) return this.#inner.isEmptyList;
    const inside = this.#list ?? this.#top;
    return !inside.hasChild && !inside.hasText && !this.#top.hasText;
  }

  write(text: string): void {
    if (this.#pieces !== undefined) {
      this.#pieces.write(text);
      return;
    }
    try {
      this.#xml.write(text);
    } catch (error) {
      if (!(error instanceof UpnpError)) throw error;
      this.#beginPieces(error);
    }
  }

  /** Too broken or too deep to parse: search the rest for messages only. */
  #beginPieces(failure: UpnpError): void {
    const item = this.#item;
    this.failure = failure;
    this.#isBroken = true;
    this.#item = undefined;
    this.#pieces = new PieceStream((xml) => this.#emit(xml, item?.declarations ?? '', new Set()));
    if (item !== undefined) this.#pieces.write(item.source.slice(0) + this.#xml.sliceFrom(item.consumed));
  }

  /** Ends the input; returns whether the document was complete. */
  end(): boolean {
    const isClosed = this.#xml.end();
    const item = this.#item;
    if (item !== undefined) this.#emitCut(item);
    this.#pieces?.end();
    for (const open of [this.#top, ...this.#open]) this.#endInner(open);
    return isClosed && item === undefined && !this.#isBroken;
  }

  #onFault(): void {
    // A fault inside a message concerns that message only.
    if (this.#item === undefined) this.#isBroken = true;
  }

  #onOpen(name: string, attributes: Readonly<Record<string, string>>, start: number, end: number): void {
    const isItem = items.includes(plainName(localName(name)));
    const item = this.#item;
    const around = this.#open.at(-1) ?? this.#top;
    if (item === undefined) {
      around.hasChild = true;
      this.#endInner(around);
    }
    const opened = wrapper(name, declarationsIn(attributes), isItem);
    this.#open.push(opened);
    if (item !== undefined) this.#openWithin(item, isItem, start, end);
    else if (isItem && this.#open.length <= maxItemDepth) this.#beginItem(name, start, end);
    else if (this.#open.length <= maxListDepth && lists.includes(plainName(localName(name)))) this.#list ??= opened;
  }

  #beginItem(name: string, start: number, end: number): void {
    const item: Item = {
      source: new SourceCollector(name),
      declarations: this.#declarations(),
      depth: this.#open.length,
      consumed: start,
      hasItemsOnly: true,
      innerStart: undefined,
      nested: undefined,
    };
    this.#item = item;
    this.#xml.keepFrom(start);
    item.source.addMarkup(this.#take(item, end), '');
  }

  #openWithin(item: Item, isItem: boolean, start: number, end: number): void {
    const isChild = this.#open.length === item.depth + 1;
    if (isItem) {
      const at = item.source.length + (start - item.consumed);
      if (isChild && item.hasItemsOnly && item.innerStart !== undefined) {
        // The second child: this element is a wrapper, and its first message is complete.
        item.source.addMarkup(this.#xml.slice(item.consumed, start), '');
        this.#emit(item.source.slice(item.innerStart), item.declarations, item.source.cut);
        this.#beginItem(this.#open.at(-1)?.name ?? '', start, end);
        return;
      }
      if (isChild) item.innerStart ??= at;
      item.nested = { at, depth: this.#open.length };
    } else if (isChild) item.hasItemsOnly = false;
    item.source.addMarkup(this.#take(item, end), this.#field(item));
    this.#checkLength(item);
  }

  /** Truncates a message that is too long; splits one that was never closed and contains others. */
  #checkLength(item: Item): void {
    if (item.source.isFull || !item.source.isTooLong) return;
    const { nested } = item;
    if (nested === undefined || nested.at === 0) {
      item.source.cut.add(this.#field(item));
      item.source.fill(this.#open.slice(item.depth).map(({ name }) => name));
      return;
    }
    this.#isBroken = true;
    for (const piece of piecesOf(item.source.slice(0, nested.at)))
      this.#emit(piece, item.declarations, item.source.cut);
    item.source.dropBefore(nested.at);
    item.depth = nested.depth;
    item.nested = undefined;
    item.hasItemsOnly = false;
  }

  #onClose(isWritten: boolean, start: number, end: number): void {
    const item = this.#item;
    const closed = this.#open.at(-1);
    if (item === undefined) {
      if (closed !== undefined) this.#endInner(closed);
      if (!isWritten) this.#isBroken = true;
    } else {
      item.source.addMarkup(this.#take(item, isWritten ? end : start), this.#field(item));
    }
    const depth = this.#open.length;
    this.#open.pop();
    if (item === undefined) return;
    if (depth === item.depth) this.#endItem(item, isWritten);
    else this.#checkLength(item);
  }

  #endItem(item: Item, isWritten: boolean): void {
    this.#item = undefined;
    this.#xml.keepNothing();
    if (isWritten) {
      this.#emit(item.source.end(), item.declarations, item.source.cut);
      return;
    }
    this.#isBroken = true;
    this.#emitPieces(item, item.source.slice(0));
  }

  /** The list ends inside a message. */
  #emitCut(item: Item): void {
    this.#emitPieces(item, item.source.slice(0) + this.#xml.sliceFrom(item.consumed));
  }

  #emitPieces(item: Item, source: string): void {
    for (const piece of endedPieces(source)) this.#emit(piece, item.declarations, item.source.cut);
  }

  #onText(text: string, end: number): void {
    const item = this.#item;
    if (item !== undefined) {
      const isBlank = this.#open.length > item.depth || text.trim() === '';
      if (!isBlank) item.hasItemsOnly = false;
      item.source.addText(this.#take(item, end), text.length, this.#field(item));
      this.#checkLength(item);
      return;
    }
    const around = this.#open.at(-1) ?? this.#top;
    if (around.inner !== undefined) {
      around.inner.write(text);
      return;
    }
    const bare = text.trimStart();
    if (bare === '') return;
    const isDocument = bare.startsWith('<') && !around.hasChild && !around.hasText && this.#number < maxLevels;
    around.hasText = true;
    if (!isDocument) return;
    around.inner = new ListLevel(this.#number + 1, this.#emit);
    this.#inner = around.inner;
    around.inner.write(bare);
  }

  #endInner(around: Wrapper): void {
    if (around.inner === undefined) return;
    if (!around.inner.end()) this.#isBroken = true;
    around.inner = undefined;
  }

  /** The source up to a position, consumed once. */
  #take(item: Item, end: number): string {
    const source = this.#xml.slice(item.consumed, Math.max(item.consumed, end));
    item.consumed = Math.max(item.consumed, end);
    this.#xml.keepFrom(item.consumed);
    return source;
  }

  /** The child element of the message at the current position. */
  #field(item: Item): string {
    return plainName(localName(this.#open[item.depth]?.name ?? ''));
  }

  /** Inner declarations override outer ones. */
  #declarations(): string {
    const declared = new Map(this.#open.slice(0, -1).flatMap(({ declarations }) => [...declarations]));
    return [...declared].map(([name, value]) => ` ${name}="${escapeAttribute(value)}"`).join('');
  }
}

function wrapper(name: string, declarations: ReadonlyMap<string, string>, isItem = false): Wrapper {
  return { name, isItem, declarations, hasChild: false, hasText: false, inner: undefined };
}

const noDeclarations: ReadonlyMap<string, string> = new Map();

function declarationsIn(attributes: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const declared = Object.entries(attributes).filter(([name]) => name === 'xmlns' || name.startsWith('xmlns:'));
  return declared.length === 0 ? noDeclarations : new Map(declared);
}

function localName(name: string): string {
  return name.slice(name.lastIndexOf(':') + 1);
}
