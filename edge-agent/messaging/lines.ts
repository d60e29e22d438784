// Rejects line breaks in single-line values: a phone's mail line would read what follows as another header.
import { firstControl } from '../../protocol/text.ts';
import { parseXml, type XmlNode } from '../upnp/xml/xml.ts';
import { plainName } from './record.ts';

/** The key of a message's text in models; it may have any number of lines. */
const multiLineKey = 'body';
/** Elements and attributes that hold an address, name, subject or type, under all their names (profile.ts). */
const singleLineNames: ReadonlySet<string> = new Set(
  [
    ...['address', 'uri', 'number', 'telephoneNumber', 'phoneNumber', 'tel', 'email', 'id'],
    ...['sender', 'from', 'originator', 'caller', 'initiator', 'owner'],
    ...['recipient', 'to', 'destination', 'receiver', 'contact'],
    ...['displayName', 'name', 'alias', 'fileName', 'subject', 'title', 'url', 'href', 'sha256'],
    ...['contentType', 'mimeType', 'type', 'supportedContentType'],
    ...['messageID', 'msgID', 'messageIdentifier', 'sessionID', 'session', 'fileID'],
  ].map(plainName),
);

/** A phone's own identifiers are opaque and returned unchanged. */
const identifiers: ReadonlySet<string> = new Set(['MessageID', 'SessionID']);

/**
 * The fields of an in argument that hold a control character or line break, each described as a fault.
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
    const control = at.at(-1) === multiLineKey ? undefined : firstControl(value);
    return control === undefined ? [] : [{ at, control }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => brokenValues(inner, [...at, key]));
}

/** The phone itself judges what is not XML. */
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
    .filter(({ name }) => singleLineNames.has(plainName(name)))
    // Surrounding blanks and line breaks are layout.
    .flatMap(({ name, text }): Broken[] => {
      const control = firstControl(text.trim());
      return control === undefined ? [] : [{ at: [name], control }];
    });
  return [...broken, ...node.children.flatMap(brokenNodes)];
}
