// XML for UPnP: reading (fast-xml-parser builds the tree, our checks judge it) and strict writing. Requirements X1–X17, Z15.
import { XMLParser } from 'fast-xml-parser';
import { UpnpError } from '../error.ts';
import { decodeBytes } from './byte-text.ts';
import { checkWellFormed, refuseDeclarations } from './xml-form.ts';
import { recoveries } from './xml-recovery.ts';
import { cleanText, decodeReferences, escapeAttribute, escapeText, isXmlText } from './xml-text.ts';

export { escapeText } from './xml-text.ts';

/** A parsed element. Parsing never coerces: every value is the string as written (X1). */
export interface XmlNode {
  /** The local name, without its prefix. */
  readonly name: string;
  readonly namespace: string | undefined;
  /** By local name, references decoded, without namespace declarations. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlNode[];
  /** The element's own text, decoded once, untrimmed. */
  readonly text: string;
  /** Children and text in document order, when both exist. */
  readonly content?: readonly (XmlNode | string)[];
}

export interface ParseOptions {
  /** The expected local name of the root. */
  root?: string;
  /** Tries the repairs of `xml-recovery.ts` (X16). */
  lenient?: boolean;
  /** The charset in the Content-Type header. */
  charset?: string;
  /** Longest document in characters; default 256 Ki, because parsing is synchronous (X17). */
  maxChars?: number;
}

export interface XmlElement {
  name: string;
  attributes?: Record<string, string>;
  children?: readonly XmlElement[];
  text?: string;
}

export const defaultMaxChars = 256 * 1024;
/** Caps elements by the allowed length: 52,428 by default; a real document has far fewer. */
const charsPerElement = 5;
const cdata = '#cdata';

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  trimValues: false,
  cdataPropName: cdata,
  // Decoded by us, once, after CDATA is separated from text: the library changed its own decoding in more than ten
  // releases within a year.
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  // Own keys only are read from the tree, so names such as `toString` are harmless.
  onDangerousProperty: (name) => name,
});

/**
 * Reads one XML document.
 * @throws UpnpError malformed: not well-formed, a DOCTYPE, another root than asked for, too long, too deep, too many elements
 */
export function parseXml(source: string | Uint8Array, options: ParseOptions = {}): XmlNode {
  const lenient = options.lenient ?? false;
  const maxChars = options.maxChars ?? defaultMaxChars;
  // No supported encoding uses more than four bytes per character, so longer input is refused before decoding.
  if (source.length > (typeof source === 'string' ? maxChars : maxChars * 4)) throw malformed('is too long');
  const decoded = typeof source === 'string' ? source : decodeBytes(source, options.charset);
  if (decoded.length > maxChars) throw malformed('is too long');
  const text = lenient ? cleanText(trimEnds(decoded)) : trimEnds(decoded);
  // Before any repair: a repair could cut the DOCTYPE off and let the rest pass.
  refuseDeclarations(text);

  let failure: unknown;
  for (const attempt of lenient ? recoveries(text, options.root) : [text]) {
    try {
      return readDocument(attempt, options.root, lenient, maxChars / charsPerElement);
    } catch (error) {
      failure ??= error;
    }
  }
  throw failure instanceof UpnpError ? failure : malformed('is not well-formed', failure);
}

/** Trims byte order marks and blanks in front, blanks and NULs at the end: common, harmless, and refused by the check (S2). */
function trimEnds(text: string): string {
  // No regular expression ending in `$`: it is quadratic in a long run of blanks.
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) <= 0x20) end--;
  // trimStart treats a byte order mark as a blank.
  return text.slice(0, end).trimStart();
}

function readDocument(text: string, root: string | undefined, lenient: boolean, maxElements: number): XmlNode {
  if (!lenient && !isXmlText(text)) throw malformed('holds characters that XML forbids');
  checkWellFormed(text, maxElements);
  const entries: OrderedEntry[] = parser.parse(text);
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) throw malformed('has not exactly one root');
  const node = readElement(entry, lenient, noPrefixes);
  if (root !== undefined && node.name !== root) throw malformed(`has another root than ${root}`);
  return node;
}

/** fast-xml-parser's node with preserveOrder: one key for the element name or text, and `:@` for attributes. */
type OrderedEntry = { readonly [name: string]: readonly OrderedEntry[] | string } & {
  readonly ':@'?: Readonly<Record<string, string>>;
};

/** Prefixes declared by one element, linked to its parent's: copying them per element would be quadratic. */
interface Prefixes {
  readonly declared: ReadonlyMap<string, string>;
  readonly outer?: Prefixes;
}

const noPrefixes: Prefixes = { declared: new Map([['xml', 'http://www.w3.org/XML/1998/namespace']]) };
const noAttributes: ReadonlyMap<string, string> = new Map();

function readElement(entry: OrderedEntry, lenient: boolean, outer: Prefixes): XmlNode {
  const qualified = keyOf(entry);
  const raw = entry[':@'];
  const prefixes = raw === undefined ? outer : declaredPrefixes(raw, outer);
  const colon = qualified.lastIndexOf(':');
  const children: XmlNode[] = [];
  const content: (XmlNode | string)[] = [];
  let text = '';
  for (const part of entry[qualified] as readonly OrderedEntry[]) {
    const key = keyOf(part);
    if (key === '#text' || key === cdata) {
      const piece =
        key === cdata
          ? (part[cdata] as readonly OrderedEntry[]).map((inner) => inner['#text'] as string).join('')
          : decodeReferences(part['#text'] as string, lenient);
      text += piece;
      content.push(piece);
    } else {
      const child = readElement(part, lenient, prefixes);
      children.push(child);
      content.push(child);
    }
  }
  return {
    name: colon < 0 ? qualified : qualified.slice(colon + 1),
    namespace: namespaceOf(colon < 0 ? '' : qualified.slice(0, colon), prefixes),
    attributes: raw === undefined ? noAttributes : readAttributes(raw, lenient),
    children,
    text,
    ...(children.length > 0 && text !== '' && { content }),
  };
}

function keyOf(entry: OrderedEntry): string {
  for (const key in entry) if (key !== ':@') return key;
  throw malformed('has an element without a name');
}

function declaredPrefixes(raw: Readonly<Record<string, string>>, outer: Prefixes): Prefixes {
  let declared: Map<string, string> | undefined;
  for (const [name, value] of Object.entries(raw)) {
    if (name !== 'xmlns' && !name.startsWith('xmlns:')) continue;
    declared ??= new Map();
    // Some devices write a blank before the URI.
    declared.set(name.slice(6), decodeReferences(value, true).trim());
  }
  return declared === undefined ? outer : { declared, outer };
}

function namespaceOf(prefix: string, prefixes: Prefixes): string | undefined {
  for (let scope: Prefixes | undefined = prefixes; scope !== undefined; scope = scope.outer) {
    const namespace = scope.declared.get(prefix);
    if (namespace !== undefined) return namespace;
  }
  return undefined;
}

function readAttributes(raw: Readonly<Record<string, string>>, lenient: boolean): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>();
  for (const [name, value] of Object.entries(raw)) {
    if (name === 'xmlns' || name.startsWith('xmlns:')) continue;
    const local = name.slice(name.lastIndexOf(':') + 1);
    if (local === name || !attributes.has(local)) attributes.set(local, decodeReferences(value, lenient));
  }
  return attributes;
}

/**
 * Serialises the content of an element, for an argument whose inner document came unescaped, as child elements (C13).
 * Namespaces are declared where they change; prefixes are not kept.
 */
export function innerXml(node: XmlNode): string {
  return contentXml(node, undefined);
}

function contentXml(node: XmlNode, namespace: string | undefined): string {
  return (node.content ?? [...node.children, node.text])
    .map((part) => (typeof part === 'string' ? escapeText(part) : outerXml(part, namespace)))
    .join('');
}

function outerXml(node: XmlNode, outerNamespace: string | undefined): string {
  const declaration = node.namespace === outerNamespace ? '' : ` xmlns="${escapeAttribute(node.namespace ?? '')}"`;
  const attributes = [...node.attributes].map(([name, value]) => ` ${name}="${escapeAttribute(value)}"`).join('');
  return wrap(node.name, declaration + attributes, contentXml(node, node.namespace));
}

/** An element for `writeXml`. */
export function element(
  name: string,
  content: string | readonly XmlElement[] = '',
  attributes?: Record<string, string>,
): XmlElement {
  const parts = typeof content === 'string' ? { text: content } : { children: content };
  return attributes === undefined ? { name, ...parts } : { name, attributes, ...parts };
}

/**
 * Writes a document. Text is escaped by `escapeText`; characters that XML cannot hold are dropped, so the result parses.
 * @throws RangeError when a name is no XML name: names come from tables, never from the network (X8)
 */
export function writeXml(root: XmlElement, options: { declaration?: boolean } = {}): string {
  return (options.declaration ? '<?xml version="1.0" encoding="utf-8"?>' : '') + writeElement(root);
}

function writeElement(root: XmlElement): string {
  let attributes = '';
  if (root.attributes !== undefined) {
    for (const [name, value] of Object.entries(root.attributes)) {
      attributes += ` ${checkedName(name)}="${escapeAttribute(value)}"`;
    }
  }
  let content = root.text === undefined ? '' : escapeText(root.text);
  if (root.children !== undefined) for (const child of root.children) content += writeElement(child);
  return wrap(checkedName(root.name), attributes, content);
}

function wrap(name: string, attributes: string, content: string): string {
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`;
}

function checkedName(name: string): string {
  if (!/^[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?$/.test(name))
    throw new RangeError('not a name for an XML element or attribute');
  return name;
}

/** The first child with this local name, in any namespace. */
export function childOf(node: XmlNode, name: string): XmlNode | undefined {
  return node.children.find((child) => child.name === name);
}

/** The trimmed text of the first child with this local name; undefined when absent or blank. */
export function textOf(node: XmlNode, name: string): string | undefined {
  return childOf(node, name)?.text.trim() || undefined;
}

function malformed(what: string, cause?: unknown): UpnpError {
  return new UpnpError('malformed', `The XML document ${what}`, { cause });
}
