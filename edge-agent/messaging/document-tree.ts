// Lenient search in a device's document: finds its XML, and elements in it.
import type { DocumentName } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import { parseXml, type XmlNode } from '../upnp/xml/xml.ts';
import { type DocumentShape, type Names, profileOf } from './profile.ts';
import { plainName, plainNames } from './record.ts';

/** The origin of a document, for error messages. */
export interface DocumentContext {
  readonly device: string;
  readonly action: string;
  /** Called for each unusable list entry that was skipped; never for a message. */
  onBadEntry?(error: DocumentError): void;
}

/** An unreadable document: `phone-malformed`. The excerpt may hold private text and must stay on the LAN. */
export class DocumentError extends GatewayError {
  readonly device: string;
  readonly action: string;
  /** The first 200 characters, control characters replaced by blanks. */
  readonly excerpt: string;

  constructor(document: string, xml: string, context: DocumentContext, reason: string, cause?: unknown) {
    super('phone-malformed', `${context.action} of ${context.device}: the ${document} ${reason}.`, { cause });
    this.name = 'DocumentError';
    this.device = context.device;
    this.action = context.action;
    this.excerpt = xml.slice(0, 200).replace(/\p{C}/gu, ' ');
  }
}

/** Parsing is synchronous. Lists are read entry by entry, so this caps one message. */
export const maxDocumentChars = 2 * 1024 * 1024;

/**
 * Parses a document's top-level elements as children of one node, so that a list without its wrapper, junk around the root
 * or a declaration in the middle make no difference. Unwraps a document that is escaped twice or in CDATA.
 * @param declarations namespaces of the surrounding elements, as attributes
 */
export function parseDocument(
  name: DocumentName,
  xml: string,
  context: DocumentContext,
  declarations = '',
  depth = 0,
): XmlNode {
  // A byte order mark only counts at the start; inside a text it is an ordinary character.
  const bare = xml.replace(/<\?xml[^<>]*\?>/g, '').replace(/^\uFEFF|\0/g, '');
  let top: XmlNode;
  try {
    top = parseXml(`<document${declarations}>${bare}</document>`, { lenient: true, maxChars: maxDocumentChars });
  } catch (cause) {
    throw new DocumentError(name, xml, context, 'is not XML', cause);
  }
  const disguised = depth < 2 ? disguisedDocument(top) : undefined;
  if (disguised === undefined) return top;
  try {
    return parseDocument(name, disguised, context, '', depth + 1);
  } catch {
    return top;
  }
}

/** The text in place of a document or its content: escaped twice, or in CDATA. */
function disguisedDocument(top: XmlNode): string | undefined {
  const only = top.children.length === 1 && top.text.trim() === '' ? (top.children[0] ?? top) : top;
  const text = only.children.length === 0 ? only.text.trim() : '';
  return text.startsWith('<') ? text : undefined;
}

export function shapeFor(name: DocumentName, top: XmlNode): DocumentShape {
  return profileOf(top.children[0]?.namespace).documents[name];
}

/** The first element with one of these names, breadth first, at most three levels deep. */
export function findElement(top: XmlNode, names: Names): XmlNode | undefined {
  const plain = plainNames(names);
  let level: readonly XmlNode[] = top.children;
  for (let depth = 0; depth < 3 && level.length > 0; depth++) {
    const match = level.find((node) => plain.includes(plainName(node.name)));
    if (match !== undefined) return match;
    level = level.flatMap((node) => node.children);
  }
  return undefined;
}

/** An only child counts as the document even under an unknown name. */
export function onlyChild(top: XmlNode): XmlNode {
  return top.children.length === 1 ? (top.children[0] ?? top) : top;
}

/** The entries of a list, whatever wraps them; an element that contains entries is itself a wrapper. */
export function findItems(node: XmlNode, names: Names, depth = 0): XmlNode[] {
  const plain = plainNames(names);
  if (depth > 4) return [];
  return node.children.flatMap((child) => {
    const isItem = plain.includes(plainName(child.name));
    const inner = isItem && depth > 1 ? [] : findItems(child, names, depth + 1);
    if (inner.length > 0 && !(isItem && inner.length !== child.children.length)) return inner;
    return isItem ? [child] : inner;
  });
}

/** True for nothing at all or a list element without entries; another kind of page is not a list. */
export function isEmptyList(top: XmlNode, names: Names): boolean {
  const list = findElement(top, names);
  const inside = list ?? top;
  return inside.children.length === 0 && inside.text.trim() === '' && top.text.trim() === '';
}
