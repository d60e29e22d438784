// XML for UPnP: reading (fast-xml-parser builds the tree, we judge it) and strict writing. Requirements X1–X17, Z15.
import { EntityDecoder } from '@nodable/entities';
import { XMLParser } from 'fast-xml-parser';
import { UpnpError } from '../error.ts';
import { decodeBytes } from './byte-text.ts';
import { checkForm, refuseDeclarations } from './xml-form.ts';
import { recoveries } from './xml-recovery.ts';
import { cleanText, decodeReferences, escapeAttribute, escapeText, isXmlText } from './xml-text.ts';

export { escapeText } from './xml-text.ts';

/** An element as it was read. Reading never coerces: every value is the string that was written (X1). */
export interface XmlNode {
  /** The local name, without its prefix. */
  readonly name: string;
  readonly namespace: string | undefined;
  /** By local name, references decoded; namespace declarations are left out. */
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlNode[];
  /** The element's own direct text, decoded once, untrimmed. */
  readonly text: string;
  /** Children and text in the order in which they were written, where both are there. */
  readonly content?: readonly (XmlNode | string)[];
}

export interface ParseOptions {
  /** The local name that the root must have. */
  root?: string;
  /** Climbs the recovery ladder for what devices get wrong (X16). */
  lenient?: boolean;
  /** The charset of the Content-Type header, where there was one. */
  charset?: string;
  /** Longest document in characters; 256 Ki unless told, since parsing is synchronous (X17). */
  maxChars?: number;
}

export interface XmlElement {
  name: string;
  attributes?: Record<string, string>;
  children?: readonly XmlElement[];
  text?: string;
}

export const defaultMaxChars = 256 * 1024;
/** So long a document may hold so many elements: 52,428 unless more characters are allowed; an honest one holds far fewer. */
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
  // References are decoded by us, once, after CDATA is told apart from text: the library's own decoding changed in more
  // than ten releases of one year.
  processEntities: false,
  // Idle, since nothing is decoded with it; but without one the parser makes a new one for each document.
  entityDecoder: new EntityDecoder(),
  ignoreDeclaration: true,
  ignorePiTags: true,
  // The tree is read by own keys only, so that a name such as `toString` is harmless and may stay what it is.
  onDangerousProperty: (name) => name,
});

/**
 * Reads one XML document.
 * @throws UpnpError malformed: not well-formed, a DOCTYPE, another root than asked for, too long, too deep, too many elements
 */
export function parseXml(source: string | Uint8Array, options: ParseOptions = {}): XmlNode {
  const lenient = options.lenient ?? false;
  const maxChars = options.maxChars ?? defaultMaxChars;
  // Four bytes hold at least one character in every encoding that is read, so longer input need not even be decoded.
  if (source.length > (typeof source === 'string' ? maxChars : maxChars * 4)) throw malformed('is too long');
  const decoded = typeof source === 'string' ? source : decodeBytes(source, options.charset);
  if (decoded.length > maxChars) throw malformed('is too long');
  const text = lenient ? cleanText(trimEnds(decoded)) : trimEnds(decoded);
  // Before anything is repaired, or a repair could cut the DOCTYPE off and let the rest pass.
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

/** Byte order marks and blanks before, blanks and NULs after: harmless, common, and refused by the validator (S2). */
function trimEnds(text: string): string {
  // Not with an expression that ends in `$`: on a long run of blanks inside it would take the square of its length.
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) <= 0x20) end--;
  // A byte order mark is a blank to trimStart.
  return text.slice(0, end).trimStart();
}

function readDocument(text: string, root: string | undefined, lenient: boolean, maxElements: number): XmlNode {
  if (!lenient && !isXmlText(text)) throw malformed('holds characters that XML forbids');
  checkForm(text, maxElements);
  const entries: OrderedEntry[] = parser.parse(text);
  const [entry] = entries;
  if (entry === undefined || entries.length > 1) throw malformed('has not exactly one root');
  const node = readElement(entry, lenient, noPrefixes);
  if (root !== undefined && node.name !== root) throw malformed(`has another root than ${root}`);
  return node;
}

/** What the parser gives with preserveOrder: one own key that names the element, or text, and `:@` for attributes. */
type OrderedEntry = { readonly [name: string]: readonly OrderedEntry[] | string } & {
  readonly ':@'?: Readonly<Record<string, string>>;
};

/** The prefixes that one element declares, and those around it: a chain, for a copy at each element would take the square. */
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
 * The content of an element as XML again: for an argument whose inner document came un-escaped, as child elements (C13).
 * Namespaces are declared anew where they change; prefixes are not kept.
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

/** An element to write, in one line. */
export function element(
  name: string,
  content: string | readonly XmlElement[] = '',
  attributes?: Record<string, string>,
): XmlElement {
  const parts = typeof content === 'string' ? { text: content } : { children: content };
  return attributes === undefined ? { name, ...parts } : { name, attributes, ...parts };
}

/**
 * Writes a document. Text is escaped by `escapeText`; what XML cannot hold is left out, so that the result always parses.
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

/** The first child with this local name, whatever its prefix or namespace. */
export function childOf(node: XmlNode, name: string): XmlNode | undefined {
  return node.children.find((child) => child.name === name);
}

/** The trimmed text of the first child with this local name; undefined where it is absent or blank. */
export function textOf(node: XmlNode, name: string): string | undefined {
  return childOf(node, name)?.text.trim() || undefined;
}

function malformed(what: string, cause?: unknown): UpnpError {
  return new UpnpError('malformed', `The XML document ${what}`, { cause });
}
