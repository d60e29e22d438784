// Line breaks where only one line can stand: a phone's mail line would read what follows one as a header of its own.
import { firstControl } from '../../protocol/text.ts';
import { parseXml, type XmlNode } from '../upnp/xml/xml.ts';
import { plainName } from './record.ts';

/** Models name the text of a message so; it has as many lines as it likes. */
const ofSeveralLines = 'body';
/** Elements and attributes that hold an address, a name, a subject or a type, by each of their names (profile.ts). */
const ofOneLine: ReadonlySet<string> = new Set(
  [
    ...['address', 'uri', 'number', 'telephoneNumber', 'phoneNumber', 'tel', 'email', 'id'],
    ...['sender', 'from', 'originator', 'caller', 'initiator', 'owner'],
    ...['recipient', 'to', 'destination', 'receiver', 'contact'],
    ...['displayName', 'name', 'alias', 'fileName', 'subject', 'title', 'url', 'href', 'sha256'],
    ...['contentType', 'mimeType', 'type', 'supportedContentType'],
    ...['messageID', 'msgID', 'messageIdentifier', 'sessionID', 'session', 'fileID'],
  ].map(plainName),
);

/** A phone's own identifiers are opaque: it gets back what it gave. */
const identifiers: ReadonlySet<string> = new Set(['MessageID', 'SessionID']);

/**
 * The fields of an in-argument that hold a control character or the end of a line, each as a fault in words.
 * @param isXml whether the value is the text of an XML document
 */
export function brokenLines(name: string, value: unknown, isXml: boolean): string[] {
  if (identifiers.has(name)) return [];
  const broken = isXml ? brokenElements(value) : brokenValues(value, []);
  return broken.map(({ at, control }) => `${[name, ...at].join('.').slice(0, 200)} holds ${control}`);
}

interface Broken {
  at: readonly string[];
  control: string;
}

function brokenValues(value: unknown, at: readonly string[]): Broken[] {
  if (typeof value === 'string') {
    const control = at.at(-1) === ofSeveralLines ? undefined : firstControl(value);
    return control === undefined ? [] : [{ at, control }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => brokenValues(inner, [...at, key]));
}

/** What is no XML is the phone's to judge. */
function brokenElements(value: unknown): Broken[] {
  if (typeof value !== 'string' || !value.includes('<')) return [];
  try {
    return brokenNodes(parseXml(value, { lenient: true }));
  } catch {
    return [];
  }
}

function brokenNodes(node: XmlNode): Broken[] {
  const attributes = [...node.attributes].map(([name, text]) => ({ name, text }));
  const leaves = node.children.length === 0 ? [{ name: node.name, text: node.text }, ...attributes] : attributes;
  const broken = leaves
    .filter(({ name }) => ofOneLine.has(plainName(name)))
    // Blanks and line ends around a value are layout.
    .flatMap(({ name, text }): Broken[] => {
      const control = firstControl(text.trim());
      return control === undefined ? [] : [{ at: [name], control }];
    });
  return [...broken, ...node.children.flatMap(brokenNodes)];
}
