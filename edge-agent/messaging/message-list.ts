// Messages as a device writes them, alone and in lists: none is dropped because its entry is odd.
import { createHash } from 'node:crypto';
import { limits } from '../../protocol/limits.ts';
import { type PhoneMessage, phoneMessageSchema, truncatableFields } from '../../protocol/phone-model.ts';
import { innerXml, type XmlNode } from '../upnp/xml/xml.ts';
import { cutText, fitToSchema } from './document-limits.ts';
import {
  type DocumentContext,
  DocumentError,
  findElement,
  findItems,
  onlyChild,
  parseDocument,
  shapeFor,
} from './document-tree.ts';
import { piecesOf } from './message-pieces.ts';
import { homelineProfile, profileOf } from './profile.ts';
import { nothing, plainNames, readRecord } from './record.ts';

/** One message of a list with the XML that it was read from. */
export interface MessageEntry {
  readonly message: PhoneMessage;
  readonly xml: string;
}

/** Takes messages in batches; the next batch waits for its promise. */
export type TakeMessages = (entries: MessageEntry[]) => void | Promise<void>;

/** Whether a list was read to its end, and how many messages stood in it. */
export interface ListRead {
  /** False where the XML is cut or broken, or the argument is missing: what is not in the list may still be on the phone. */
  readonly isComplete: boolean;
  readonly count: number;
  /** The phone refused a part of what was asked for: it may have no such class or folder, or not have it now. */
  readonly isPartlyRefused?: boolean;
  /** There is more than is read of one phone. */
  readonly isTooLong?: boolean;
}

/** The source of one message of a list, as the stream cut it out. */
export interface MessageSource {
  readonly xml: string;
  /** Namespaces of the elements around it, as attributes. */
  readonly declarations: string;
  /** Plain names of the message's child elements of which something was left out, for they were too long to keep. */
  readonly cut: ReadonlySet<string>;
}

/** More bad entries than this are no messages but an attack, or a document that is broken as a whole. */
const maxRawEntries = 1000;
const listItem = homelineProfile.documents.messageList;
export const itemNames = listItem.kind === 'list' ? listItem.item : listItem.names;

/** Reads the messages of one list one after another. */
export class MessageReading {
  readonly #context: DocumentContext;
  /** How often a text was met of which no identifier can be read, by its digest. */
  readonly #idless = new Map<string, number>();
  /** Entries that became messages by their raw text alone. */
  #raw = 0;
  /** The start of the bad entries beyond those. */
  #rest = '';

  constructor(context: DocumentContext) {
    this.#context = context;
  }

  /** The messages in a source, mostly one: a broken one may hold several. */
  read(source: MessageSource): MessageEntry[] {
    if (this.#raw >= maxRawEntries) {
      if (this.#rest.length < limits.bodyChars) this.#rest += source.xml;
      return [];
    }
    try {
      const top = parseDocument('message', source.xml, this.#context, source.declarations);
      const items = findItems(top, itemNames);
      const [item] = items;
      if (item !== undefined && items.length === 1) return this.#readItem(item, source.xml, source.cut);
      if (items.length > 0) return items.flatMap((each) => this.#readItem(each, sourceOf(each), source.cut));
    } catch {
      // It is read by its pieces.
    }
    return piecesOf(source.xml).flatMap((piece) => this.#readPiece(piece));
  }

  /** What is left: from too many bad entries on, one message for all of them. */
  end(): MessageEntry[] {
    if (this.#rest === '') return [];
    const xml = this.#rest;
    this.#rest = '';
    return [{ message: this.#rawMessage(xml, {}), xml }];
  }

  #readItem(item: XmlNode, xml: string, cut: ReadonlySet<string> = new Set()): MessageEntry[] {
    const message = this.readNode(item, () => sourceOf(item), cut);
    if (message !== undefined) return [{ message, xml }];
    const raw = item.children.length > 0 ? sourceOf(item) : item.text;
    return this.#readRaw(raw, readRecord(item, shapeOf(item)).value, xml);
  }

  #readPiece(piece: string): MessageEntry[] {
    try {
      const top = parseDocument('message', piece, this.#context);
      return this.#readItem(top.children[0] ?? top, piece);
    } catch {
      const id = /<(?:[\w.-]+:)?messageID\s*>([^<]{1,200})</i.exec(piece)?.[1];
      return this.#readRaw(piece, id === undefined ? {} : { messageId: id }, piece);
    }
  }

  #readRaw(raw: string, read: Record<string, unknown>, xml: string): MessageEntry[] {
    return [{ message: this.#rawMessage(raw, read), xml }];
  }

  /** Undefined where too little can be read of it. */
  readNode(node: XmlNode, source: () => string, cut: ReadonlySet<string> = new Set()): PhoneMessage | undefined {
    const { value, missing, found } = readRecord(node, shapeOf(node));
    if (missing.length > 0 && found <= 1) return undefined;
    return fitMessage(missing.length === 0 ? value : { ...value, messageId: this.#idOf(source()) }, cut);
  }

  /** A message of which little can be read: its raw text is its body, so that nobody misses it. */
  #rawMessage(raw: string, read: Record<string, unknown>): PhoneMessage {
    this.#raw++;
    const id = phoneMessageSchema.shape.messageId.safeParse(read.messageId);
    const { value } = readRecord(nothing, homelineProfile.documents.message.shape);
    const { bodyOmitted: _, ...blank } = value;
    return phoneMessageSchema.parse({
      ...blank,
      messageId: id.success && id.data !== '' ? id.data : this.#idOf(raw),
      body: cutText(raw, limits.bodyChars),
      ...(raw.length > limits.bodyChars && { truncated: { fields: ['body'] } }),
    });
  }

  /**
   * An identifier for a message that its device gave none: digest of the text, and its ordinal among equal ones of a
   * list, for two equal texts are two messages.
   */
  #idOf(raw: string): string {
    const digest = createHash('sha256').update(raw).digest('hex').slice(0, 32);
    const ordinal = (this.#idless.get(digest) ?? 0) + 1;
    this.#idless.set(digest, ordinal);
    return `raw-${digest}-${ordinal}`;
  }

  /** A document that is one message; what little can be read of an odd one is delivered with its raw text. */
  readOne(node: XmlNode, xml: string): PhoneMessage {
    const raw = node.children.length > 0 ? xml : node.text;
    return this.readNode(node, () => xml) ?? this.#rawMessage(raw, readRecord(node, shapeOf(node)).value);
  }
}

/** A document that is one message. Throws DocumentError where it is empty or no XML. */
export function readMessage(xml: string, context: DocumentContext): PhoneMessage {
  const top = parseDocument('message', xml, context);
  if (top.children.length === 0 && top.text.trim() === '') {
    throw new DocumentError('message', xml, context, 'is empty');
  }
  const node = findElement(top, shapeFor('message', top).names) ?? onlyChild(top);
  return new MessageReading(context).readOne(node, xml);
}

/** In a form of its own, of which the identifiers are made that a phone does not give. */
function sourceOf(item: XmlNode): string {
  return innerXml({ ...nothing, content: [item] });
}

function shapeOf(node: XmlNode) {
  return profileOf(node.namespace).documents.message.shape;
}

/** A message cut to the limits, with the fields that were cut named in it. */
function fitMessage(read: Record<string, unknown>, cutNames: ReadonlySet<string>): PhoneMessage | undefined {
  const body = typeof read.body === 'string' ? cutText(read.body, limits.bodyChars) : read.body;
  const { value, cut } = fitToSchema(phoneMessageSchema, { ...read, body });
  if (value === undefined) return undefined;
  const fields = truncatableFields.filter(
    (field) =>
      cut.has(field) || (field === 'body' && body !== read.body) || namesOf[field].some((name) => cutNames.has(name)),
  );
  return fields.length === 0 ? value : { ...value, truncated: { fields } };
}

/** Under which child elements of a message each field is looked for. */
const namesOf = Object.fromEntries(
  truncatableFields.map((key) => {
    const fields = homelineProfile.documents.message.shape.filter((field) =>
      field.kind === 'merged' ? key === 'body' : field.key === key,
    );
    const names = fields.flatMap((field) => [
      ...plainNames(field.names),
      ...(field.kind === 'records' && field.wrapper !== undefined ? plainNames(field.wrapper) : []),
    ]);
    return [key, names];
  }),
) as Record<(typeof truncatableFields)[number], string[]>;
