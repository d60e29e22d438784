// Profile XML ⇄ model: the documents inside Messaging arguments, by the table in profile.ts.
// Written strictly, read leniently; a message is never dropped because its entry is odd.
import { createHash } from 'node:crypto';
import type { DocumentName } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { limits } from '../../protocol/limits.ts';
import { type DocumentOf, documentSchemas, type PhoneMessage, phoneMessageSchema } from '../../protocol/model.ts';
import { element, innerXml, parseXml, writeXml, type XmlElement, type XmlNode } from '../upnp/xml/xml.ts';
import { type DocumentShape, homelineProfile, type Names, type Profile, profileOf } from './profile.ts';
import { nothing, plainName, plainNames, readRecord, writeRecord } from './record.ts';

/** Where a document came from, for the words of an error. */
export interface DocumentContext {
  readonly device: string;
  readonly action: string;
  /** Told of each list entry that was left out because nothing could be made of it; never of a message. */
  onBadEntry?(error: DocumentError): void;
}

/** A document that cannot be understood: `phone-malformed`. The excerpt may hold private text: it is for the LAN only. */
export class DocumentError extends GatewayError {
  readonly device: string;
  readonly action: string;
  /** The first 200 characters, control characters as blanks. */
  readonly excerpt: string;

  constructor(document: string, xml: string, context: DocumentContext, reason: string, cause?: unknown) {
    super('phone-malformed', `${context.action} of ${context.device}: the ${document} ${reason}.`, { cause });
    this.name = 'DocumentError';
    this.device = context.device;
    this.action = context.action;
    this.excerpt = xml.slice(0, 200).replace(/\p{C}/gu, ' ');
  }
}

/** One message of a list with the XML that it was read from, in which fields that the model lacks are kept. */
export interface MessageEntry {
  readonly message: PhoneMessage;
  readonly xml: string;
}

/** Parsing is synchronous: a longer list, some five thousand text messages, is read entry by entry. */
const maxDocumentChars = 2 * 1024 * 1024;

/** A model as its XML document, exactly as the profile says. */
export function writeDocument<Name extends DocumentName>(
  name: Name,
  model: DocumentOf<Name>,
  profile: Profile = homelineProfile,
): string {
  const shape = profile.documents[name];
  const written = shape.names[0];
  return writeXml(
    shape.kind === 'record'
      ? writeRecord(written, model as Record<string, unknown>, shape.shape, profile.namespace)
      : writeList(written, model as readonly Record<string, unknown>[], shape, profile.namespace),
  );
}

function writeList(
  name: string,
  items: readonly Record<string, unknown>[],
  shape: Extract<DocumentShape, { kind: 'list' }>,
  xmlns: string,
): XmlElement {
  const children = items.map((item) => writeRecord(shape.item[0], item, shape.shape));
  return element(name, children, { xmlns });
}

/** A device's XML document as its model. Throws DocumentError when it cannot be understood. */
export function readDocument<Name extends DocumentName>(
  name: Name,
  xml: string,
  context: DocumentContext,
): DocumentOf<Name>;
export function readDocument(name: DocumentName, xml: string, context: DocumentContext): unknown {
  if (name === 'messageList') return readMessageList(xml, context).map((entry) => entry.message);
  if (name === 'message') return readMessage(xml, context);
  const top = parseDocument(name, xml, context);
  const shape = shapeFor(name, top);
  if (shape.kind === 'list') return readList(name, top, xml, context);
  const node = findElement(top, shape.names) ?? onlyChild(top);
  const { value, missing, found } = readRecord(node, shape.shape);
  if (found === 0) throw new DocumentError(name, xml, context, 'holds nothing that is known');
  if (missing.length > 0) throw new DocumentError(name, xml, context, `has no ${missing.join(', ')}`);
  return checked(name, value, xml, context);
}

/** More bad entries than this are no messages but an attack, or a document that is broken as a whole. */
const maxRawEntries = 1000;

/** What is known across the entries of one list. */
class ListReading {
  /** How often a text was met of which no identifier can be read, by its digest. */
  readonly idless = new Map<string, number>();
  /** Entries that became messages by their raw text alone. */
  raw = 0;

  /** One message for each entry; from too many bad ones on, one for all that follows. */
  read<Entry>(entries: readonly Entry[], read: (entry: Entry) => MessageEntry, rest: (entries: Entry[]) => string) {
    const messages: MessageEntry[] = [];
    for (const [index, entry] of entries.entries()) {
      if (this.raw >= maxRawEntries) {
        const xml = rest(entries.slice(index));
        messages.push({ message: rawMessage(xml, {}, this), xml });
        break;
      }
      messages.push(read(entry));
    }
    return messages;
  }
}

/**
 * A device's list of messages. One bad entry never loses the others: it is delivered with its raw text as the body.
 * Where a thousand are bad, what follows is delivered as one.
 */
export function readMessageList(xml: string, context: DocumentContext): MessageEntry[] {
  const reading = new ListReading();
  try {
    const top = parseDocument('messageList', xml, context);
    const shape = shapeFor('messageList', top);
    if (shape.kind !== 'list') throw new Error('The table has no list of messages.');
    const items = findItems(top, shape.item);
    if (items.length === 0 && !isEmptyList(top, shape.names)) {
      throw new DocumentError('messageList', xml, context, 'holds no message and is not an empty list');
    }
    const sourceOf = (content: XmlNode[]) => innerXml({ ...nothing, content });
    return reading.read(items, (item) => readItem(item, sourceOf([item]), reading), sourceOf);
  } catch (error) {
    const pieces = piecesOf(xml);
    if (pieces.length === 0) throw error;
    return reading.read(
      pieces,
      (piece) => readPiece(piece, context, reading),
      (rest) => rest.join(''),
    );
  }
}

function readItem(item: XmlNode, xml: string, reading: ListReading): MessageEntry {
  return { message: readMessageNode(item, xml, reading), xml };
}

function readMessage(xml: string, context: DocumentContext): PhoneMessage {
  const top = parseDocument('message', xml, context);
  if (top.children.length === 0 && top.text.trim() === '') {
    throw new DocumentError('message', xml, context, 'is empty');
  }
  const node = findElement(top, shapeFor('message', top).names) ?? onlyChild(top);
  return readMessageNode(node, xml, new ListReading());
}

/** A broken list cut before each message's opening tag, and after its closing one where that is there. */
function piecesOf(xml: string): string[] {
  return xml
    .split(/(?=<(?:[\w.-]{1,40}:)?message[\s>])/i)
    .filter((piece) => /^<(?:[\w.-]{1,40}:)?message[\s>]/i.test(piece))
    .map((piece) => {
      const end = /<\/(?:[\w.-]{1,40}:)?message\s{0,8}>/i.exec(piece);
      return end === null ? piece : piece.slice(0, end.index + end[0].length);
    });
}

function readPiece(piece: string, context: DocumentContext, reading: ListReading): MessageEntry {
  try {
    const top = parseDocument('message', piece, context);
    return readItem(top.children[0] ?? top, piece, reading);
  } catch {
    const id = /<(?:[\w.-]+:)?messageID\s*>([^<]{1,200})</i.exec(piece)?.[1];
    return { message: rawMessage(piece, id === undefined ? {} : { messageId: id }, reading), xml: piece };
  }
}

function readMessageNode(node: XmlNode, source: string, reading: ListReading): PhoneMessage {
  const shape = profileOf(node.namespace).documents.message;
  const { value, missing, found } = readRecord(node, shape.shape);
  if (typeof value.body === 'string') value.body = cutBody(value.body);
  if (missing.length === 0) {
    const result = phoneMessageSchema.safeParse(value);
    if (result.success) return result.data;
  } else if (found > 1) {
    const result = phoneMessageSchema.safeParse({ ...value, messageId: idOf(source, reading) });
    if (result.success) return result.data;
  }
  return rawMessage(node.children.length > 0 ? source : node.text, value, reading);
}

/** A message of which little can be read: its raw text is its body, so that nobody misses it. */
function rawMessage(raw: string, read: Record<string, unknown>, reading: ListReading): PhoneMessage {
  reading.raw++;
  const id = phoneMessageSchema.shape.messageId.safeParse(read.messageId);
  const shape = homelineProfile.documents.message.shape;
  const { value } = readRecord(nothing, shape);
  const { bodyOmitted: _, ...blank } = value;
  return phoneMessageSchema.parse({
    ...blank,
    messageId: id.success && id.data !== '' ? id.data : idOf(raw, reading),
    body: cutBody(raw),
  });
}

/**
 * An identifier for a message that its device gave none: digest of the text, and its ordinal among equal ones of a
 * list, for two equal texts are two messages.
 */
function idOf(raw: string, { idless }: ListReading): string {
  const digest = createHash('sha256').update(raw).digest('hex').slice(0, 32);
  const ordinal = (idless.get(digest) ?? 0) + 1;
  idless.set(digest, ordinal);
  return `raw-${digest}-${ordinal}`;
}

function cutBody(body: string): string {
  return body.length > limits.bodyChars ? body.slice(0, limits.bodyChars).toWellFormed() : body;
}

function readList(name: DocumentName, top: XmlNode, xml: string, context: DocumentContext): unknown {
  const shape = shapeFor(name, top);
  if (shape.kind !== 'list') throw new Error(`The table has no list ${name}.`);
  const items = findItems(top, shape.item);
  if (items.length === 0 && !isEmptyList(top, shape.names)) {
    throw new DocumentError(name, xml, context, 'holds no entry and is not an empty list');
  }
  const entries: unknown[] = [];
  for (const item of items) {
    const { value, missing, found } = readRecord(item, shape.shape);
    if (found === 0 || missing.length > 0) {
      const reason =
        found === 0 ? 'has an entry that holds nothing known' : `has an entry without ${missing.join(', ')}`;
      context.onBadEntry?.(new DocumentError(name, innerXml(item), context, reason));
    } else entries.push(value);
  }
  return checked(name, entries, xml, context);
}

function checked(name: DocumentName, value: unknown, xml: string, context: DocumentContext): unknown {
  const result = documentSchemas[name].safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new DocumentError(name, xml, context, `is not valid at ${issue?.path.join('.')}: ${issue?.message}`);
}

/**
 * The document's top-level elements as children of one node, so that a list without its wrapper, junk around the
 * root and a declaration in the middle are all the same to the reader. Escaped once more or in CDATA is unwrapped.
 */
function parseDocument(name: DocumentName, xml: string, context: DocumentContext, depth = 0): XmlNode {
  // A byte order mark is one at the start only; inside a text it is a character like others.
  const bare = xml.replace(/<\?xml[^>]*\?>/g, '').replace(/^\uFEFF|\0/g, '');
  let top: XmlNode;
  try {
    top = parseXml(`<document>${bare}</document>`, { lenient: true, maxChars: maxDocumentChars });
  } catch (cause) {
    throw new DocumentError(name, xml, context, 'is no XML', cause);
  }
  const disguised = depth < 2 ? disguisedDocument(top) : undefined;
  if (disguised === undefined) return top;
  try {
    return parseDocument(name, disguised, context, depth + 1);
  } catch {
    return top;
  }
}

/** The text that stands in place of a document or its content: escaped once more, or in CDATA. */
function disguisedDocument(top: XmlNode): string | undefined {
  const only = top.children.length === 1 && top.text.trim() === '' ? (top.children[0] ?? top) : top;
  const text = only.children.length === 0 ? only.text.trim() : '';
  return text.startsWith('<') ? text : undefined;
}

function shapeFor(name: DocumentName, top: XmlNode): DocumentShape {
  return profileOf(top.children[0]?.namespace).documents[name];
}

/** The first element of one of these names, outer before inner, at most three deep. */
function findElement(top: XmlNode, names: Names): XmlNode | undefined {
  const plain = plainNames(names);
  let level: readonly XmlNode[] = top.children;
  for (let depth = 0; depth < 3 && level.length > 0; depth++) {
    const match = level.find((node) => plain.includes(plainName(node.name)));
    if (match !== undefined) return match;
    level = level.flatMap((node) => node.children);
  }
  return undefined;
}

/** A document under a name that nobody expects is still the document, when there is no other. */
function onlyChild(top: XmlNode): XmlNode {
  return top.children.length === 1 ? (top.children[0] ?? top) : top;
}

/** The entries of a list, whatever wraps them; an element that holds entries is itself a wrapper. */
function findItems(node: XmlNode, names: Names, depth = 0): XmlNode[] {
  const plain = plainNames(names);
  if (depth > 4) return [];
  return node.children.flatMap((child) => {
    const isItem = plain.includes(plainName(child.name));
    const inner = isItem && depth > 1 ? [] : findItems(child, names, depth + 1);
    if (inner.length > 0 && !(isItem && inner.length !== child.children.length)) return inner;
    return isItem ? [child] : inner;
  });
}

/** Nothing at all, or only a list element without entries: an empty page of another kind is no list. */
function isEmptyList(top: XmlNode, names: Names): boolean {
  const list = findElement(top, names);
  const inside = list ?? top;
  return inside.children.length === 0 && inside.text.trim() === '' && top.text.trim() === '';
}
