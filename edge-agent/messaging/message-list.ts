// Reads messages, alone and in lists; an odd entry is never dropped.
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

/** A listed message with its XML. */
export interface MessageEntry {
  readonly message: PhoneMessage;
  readonly xml: string;
}

/** Takes messages in batches; the next batch waits for its promise. */
export type TakeMessages = (entries: MessageEntry[]) => void | Promise<void>;

/** How a list ended, and how many messages it had. */
export interface ListRead {
  /** False when the XML is cut or broken or the argument is missing: unlisted messages may still be on the phone. */
  readonly isComplete: boolean;
  readonly count: number;
  /** The phone refused part of the request: it may lack such a class or folder, or not have it now. */
  readonly isPartlyRefused?: boolean;
  /** The list exceeds the caps. */
  readonly isTooLong?: boolean;
}

/** The source of one message, cut out of the stream. */
export interface MessageSource {
  readonly xml: string;
  /** Namespaces of the surrounding elements, as attributes. */
  readonly declarations: string;
  /** Plain names of child elements that were truncated. */
  readonly cut: ReadonlySet<string>;
}

/** More bad entries than this are an attack, or a document that is broken as a whole. */
const maxRawEntries = 1000;
const listItem = homelineProfile.documents.messageList;
export const itemNames = listItem.kind === 'list' ? listItem.item : listItem.names;

/** Reads the messages of one list in sequence. */
export class MessageReader {
  readonly #context: DocumentContext;
  /** Counts entries without an identifier by the digest of their text. */
  readonly #idless = new Map<string, number>();
  /** Number of entries kept as raw text. */
  #raw = 0;
  /** The start of further bad entries. */
  #rest = '';

  constructor(context: DocumentContext) {
    this.#context = context;
  }

  /** The messages in a source: usually one, several in a broken source. */
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
      // Fall through: read it piece by piece.
    }
    return piecesOf(source.xml).flatMap((piece) => this.#readPiece(piece));
  }

  /** Flushes: one message for all bad entries over the cap. */
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

  /** Undefined when too little is readable. */
  readNode(node: XmlNode, source: () => string, cut: ReadonlySet<string> = new Set()): PhoneMessage | undefined {
    const { value, missing, found } = readRecord(node, shapeOf(node));
    if (missing.length > 0 && found <= 1) return undefined;
    return fitMessage(missing.length === 0 ? value : { ...value, messageId: this.#idOf(source()) }, cut);
  }

  /** A message with raw text as its body, so that an unreadable entry is not lost. */
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
   * An identifier for a message without one: a digest of its text, and its ordinal among equal texts of the list, because two
   * equal texts are two messages.
   */
  #idOf(raw: string): string {
    const digest = createHash('sha256').update(raw).digest('hex').slice(0, 32);
    const ordinal = (this.#idless.get(digest) ?? 0) + 1;
    this.#idless.set(digest, ordinal);
    return `raw-${digest}-${ordinal}`;
  }

  /** Reads a document that is a single message; an unreadable one becomes a message with its raw text. */
  readOne(node: XmlNode, xml: string): PhoneMessage {
    const raw = node.children.length > 0 ? xml : node.text;
    return this.readNode(node, () => xml) ?? this.#rawMessage(raw, readRecord(node, shapeOf(node)).value);
  }
}

/** Reads a document that is a single message. Throws DocumentError when it is empty or not XML. */
export function readMessage(xml: string, context: DocumentContext): PhoneMessage {
  const top = parseDocument('message', xml, context);
  if (top.children.length === 0 && top.text.trim() === '') {
    throw new DocumentError('message', xml, context, 'is empty');
  }
  const node = findElement(top, shapeFor('message', top).names) ?? onlyChild(top);
  return new MessageReader(context).readOne(node, xml);
}

/** Serialised in a normal form, from which missing identifiers are derived. */
function sourceOf(item: XmlNode): string {
  return innerXml({ ...nothing, content: [item] });
}

function shapeOf(node: XmlNode) {
  return profileOf(node.namespace).documents.message.shape;
}

/** Truncates a message to the limits and lists the truncated fields in it. */
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

/** The child element names of each truncatable field. */
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
