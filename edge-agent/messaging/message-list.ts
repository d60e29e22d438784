// Messages as a device writes them, alone and in lists: none is dropped because its entry is odd.
import { createHash } from 'node:crypto';
import { limits } from '../../protocol/limits.ts';
import { type PhoneMessage, phoneMessageSchema, truncatableFields } from '../../protocol/phone-model.ts';
import { innerXml, type XmlNode } from '../upnp/xml/xml.ts';
import { checkForm } from '../upnp/xml/xml-form.ts';
import { cutText, fitToSchema } from './document-limits.ts';
import {
  type DocumentContext,
  DocumentError,
  findElement,
  findItems,
  isEmptyList,
  onlyChild,
  parseDocument,
  shapeFor,
} from './document-tree.ts';
import { homelineProfile, profileOf } from './profile.ts';
import { nothing, readRecord } from './record.ts';

/** One message of a list with the XML that it was read from, in which fields that the model lacks are kept. */
export interface MessageEntry {
  readonly message: PhoneMessage;
  readonly xml: string;
}

/** Whether a list was read to its end, and how many messages stood in it. */
export interface ListRead {
  /** False where the XML is cut or broken, or the argument is missing: what is not in the list may still be on the phone. */
  readonly isComplete: boolean;
  readonly count: number;
  /** The phone refused a part of what was asked for: it may have no such class or folder, or not have it now. */
  readonly isPartlyRefused?: boolean;
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
  return readMessages(xml, context).entries;
}

/** The same list, and whether its XML is complete. */
export function readMessages(xml: string, context: DocumentContext): { entries: MessageEntry[]; isComplete: boolean } {
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
    const entries = reading.read(items, (item) => readItem(item, sourceOf([item]), reading), sourceOf);
    return { entries, isComplete: true };
  } catch (error) {
    const pieces = piecesOf(xml);
    if (pieces.length === 0) throw error;
    // Where the list is cut, half a message would be taken for another one.
    if (!isEnded(pieces.at(-1) ?? '')) pieces.pop();
    const entries = reading.read(
      pieces,
      (piece) => readPiece(piece, context, reading),
      (rest) => rest.join(''),
    );
    return { entries, isComplete: isWellFormed(xml) };
  }
}

function isEnded(piece: string): boolean {
  return /<\/(?:[\w.-]{1,40}:)?message\s{0,8}>$/i.test(piece);
}

/** A list too long to be read at once may be complete all the same. */
function isWellFormed(xml: string): boolean {
  try {
    checkForm(xml, xml.length);
    return true;
  } catch {
    return false;
  }
}

function readItem(item: XmlNode, xml: string, reading: ListReading): MessageEntry {
  return { message: readMessageNode(item, xml, reading), xml };
}

/** A document that is one message; what little can be read of an odd one is delivered with its raw text. */
export function readMessage(xml: string, context: DocumentContext): PhoneMessage {
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
  if (missing.length === 0 || found > 1) {
    const message = fitMessage(missing.length === 0 ? value : { ...value, messageId: idOf(source, reading) });
    if (message !== undefined) return message;
  }
  return rawMessage(node.children.length > 0 ? source : node.text, value, reading);
}

/** A message cut to the limits, with the fields that were cut named in it. */
function fitMessage(read: Record<string, unknown>): PhoneMessage | undefined {
  const { value, cut } = fitToSchema(phoneMessageSchema, read);
  if (value === undefined) return undefined;
  const fields = truncatableFields.filter((field) => cut.has(field));
  return fields.length === 0 ? value : { ...value, truncated: { fields } };
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
    body: cutText(raw, limits.bodyChars),
    ...(raw.length > limits.bodyChars && { truncated: { fields: ['body'] } }),
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
