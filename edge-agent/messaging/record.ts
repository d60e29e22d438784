// One record ⇄ one XML element, by a shape from profile.ts: writing is strict, reading lenient.
import { element, innerXml, type XmlElement, type XmlNode } from '../upnp/xml/xml.ts';
import type { Field, Names, Scalar, Shape } from './profile.ts';
import { readTime } from './times.ts';

type Value = Record<string, unknown>;

type OneField = Extract<Field, { kind: 'one' }>;
type MergedField = Extract<Field, { kind: 'merged' }>;
type RecordsField = Extract<Field, { kind: 'records' }>;

/** The values of an element, and the required keys that are missing. */
export interface ReadRecord {
  readonly value: Value;
  readonly missing: readonly string[];
  /** Number of the shape's fields that were found. */
  readonly found: number;
}

/** A name in the form for comparison: case, `-` and `_` are ignored. */
export function plainName(name: string): string {
  return name.replace(/[-_]/g, '').toLowerCase();
}

const plainNamesCache = new WeakMap<Names, readonly string[]>();
/** The compared forms of a table's names, cached per table. */
export function plainNames(names: Names): readonly string[] {
  let plain = plainNamesCache.get(names);
  if (plain === undefined) {
    plain = names.map(plainName);
    plainNamesCache.set(names, plain);
  }
  return plain;
}

/** Treats child elements and attributes alike: an attribute is a child without children. */
class Parts {
  readonly node: XmlNode;
  readonly #byName = new Map<string, XmlNode[]>();

  constructor(node: XmlNode) {
    this.node = node;
    for (const child of node.children) this.#add(child);
    for (const [name, text] of node.attributes) this.#add(leaf(name, text));
  }

  all(names: Names): XmlNode[] {
    return plainNames(names).flatMap((name) => this.#byName.get(name) ?? []);
  }

  #add(part: XmlNode): void {
    const name = plainName(part.name);
    const known = this.#byName.get(name);
    if (known === undefined) this.#byName.set(name, [part]);
    else known.push(part);
  }
}

function leaf(name: string, text: string): XmlNode {
  return { name, namespace: undefined, attributes: new Map(), children: [], text, content: [text] };
}

/** An empty element: reading it yields a shape's fallbacks. */
export const nothing = leaf('', '');

/** Reads an element's fields in any order, by any of their names, as children or attributes. */
export function readRecord(node: XmlNode, shape: Shape): ReadRecord {
  const parts = new Parts(node);
  const value: Value = {};
  const missing: string[] = [];
  let found = 0;
  const keep = (key: string, read: unknown) => {
    value[key] = read;
    found++;
  };
  for (const field of shape) {
    switch (field.kind) {
      case 'one': {
        const read = readOne(field, parts);
        if (read !== undefined) keep(field.key, read);
        else if (field.fallback !== undefined) value[field.key] = field.fallback;
        else if (field.absent === undefined) missing.push(field.key);
        break;
      }
      case 'many': {
        const read = parts.all(field.names).flatMap((part) => readMany(part.text, field.scalar));
        if (read.length > 0) keep(field.key, read);
        else value[field.key] = [];
        break;
      }
      case 'record': {
        const part = parts.all(field.names)[0];
        if (part !== undefined) keep(field.key, readRecord(part, field.shape).value);
        else if (field.absent === undefined) value[field.key] = readRecord(nothing, field.shape).value;
        break;
      }
      case 'records': {
        const read = readRecords(field, parts);
        if (read.length > 0) keep(field.key, read);
        else value[field.key] = [];
        break;
      }
      case 'merged': {
        const part = parts.all(field.names)[0];
        Object.assign(value, readMerged(field, part, parts));
        if (part !== undefined) found++;
        break;
      }
    }
  }
  return { value, missing, found };
}

function readOne(field: OneField, parts: Parts): unknown {
  if (field.place === 'text') return readScalar(contentOf(parts.node), field);
  for (const part of parts.all(field.names)) {
    const read = readScalar(part.text, field);
    if (read !== undefined) return read;
  }
  if (field.implied !== undefined) {
    const { names, whenTrue, whenFalse } = field.implied;
    const flag = parts.all(names).map((part) => readFlag(part.text))[0];
    if (flag !== undefined) return flag ? whenTrue : whenFalse;
  }
  // Around children the text is layout, so it is trimmed; an element of its own keeps its blanks.
  return field.orOwnText === true ? readScalar(parts.node.text.trim(), field) : undefined;
}

/** An element's text; where a device left markup un-escaped, that markup. */
function contentOf(node: XmlNode): string {
  return node.children.length > 0 ? innerXml(node) : node.text;
}

function readScalar(text: string, field: OneField): unknown {
  if (text === '' && (field.scalar !== 'text' || field.place !== 'text')) return undefined;
  return parseScalar(text, field.scalar);
}

function parseScalar(text: string, scalar: Scalar): unknown {
  switch (scalar) {
    case 'text':
      return text;
    case 'time':
      return readTime(text);
    case 'flag':
      return readFlag(text);
    case 'mark':
      return readFlag(text) === true ? true : undefined;
    case 'count':
      return readCount(text);
    default:
      return scalar.oneOf.find((choice) => plainChoice(choice) === plainChoice(text));
  }
}

/** `Instant Message`, `instant-message` and `INSTANTMESSAGE` are one choice. */
function plainChoice(text: string): string {
  return plainName(text.replace(/\s/g, ''));
}

function readFlag(text: string): boolean | undefined {
  const flag = text.trim().toLowerCase();
  if (flag === '1' || flag === 'true' || flag === 'yes') return true;
  return flag === '0' || flag === 'false' || flag === 'no' ? false : undefined;
}

function readCount(text: string): number | undefined {
  const count = /^\s*\d{1,16}\s*$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(count) ? count : undefined;
}

/** Repeated elements, each of which may hold a comma-separated list. */
function readMany(text: string, scalar: Scalar): unknown[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
    .map((item) => parseScalar(item, scalar))
    .filter((read) => read !== undefined);
}

function readRecords(field: RecordsField, parts: Parts): Value[] {
  const wrapped = field.wrapper === undefined ? [] : parts.all(field.wrapper);
  const items = [
    ...wrapped.flatMap((wrapper) => (wrapper.children.length > 0 ? new Parts(wrapper).all(field.names) : [wrapper])),
    ...parts.all(field.names).flatMap((item) => {
      const inner = new Parts(item).all(field.names).filter((part) => item.children.includes(part));
      return inner.length > 0 ? inner : [item];
    }),
  ];
  return items
    .filter((item) => item.children.length > 0 || item.attributes.size > 0 || item.text.trim() !== '')
    .map((item) => readRecord(item, field.shape))
    .filter((read) => read.missing.length === 0)
    .map((read) => read.value);
}

function readMerged(field: MergedField, part: XmlNode | undefined, around: Parts): Value {
  const inside = new Parts(part ?? nothing);
  const value: Value = part === undefined ? { [field.missing]: true } : {};
  for (const inner of field.shape) {
    if (inner.kind !== 'one') continue;
    const outside = inner.outside === undefined ? [] : around.all(inner.outside);
    const read = readOne(inner, inside) ?? outside.map((beside) => readScalar(beside.text, inner))[0] ?? inner.fallback;
    if (read !== undefined) value[inner.key] = read;
  }
  return value;
}

/** Writes a record in the shape's own order and names. */
export function writeRecord(name: string, value: Value, shape: Shape, namespace?: string): XmlElement {
  const attributes: Record<string, string> = namespace === undefined ? {} : { xmlns: namespace };
  const children: XmlElement[] = [];
  let text: string | undefined;
  for (const field of shape) {
    if (field.kind === 'merged') {
      children.push(writeRecord(field.names[0], value, field.shape));
      continue;
    }
    const given = value[field.key];
    const written = field.names[0];
    if (field.kind === 'many') {
      for (const item of given as readonly unknown[]) children.push(element(written, writeScalar(item)));
    } else if (field.kind === 'records') {
      const items = (given as readonly Value[]).map((item) => writeRecord(written, item, field.shape));
      if (field.wrapper === undefined) children.push(...items);
      else children.push(element(field.wrapper[0], items));
    } else if (field.kind === 'record') {
      if (given !== undefined) children.push(writeRecord(written, given as Value, field.shape));
    } else if (given === undefined) {
      if (field.absent === 'empty') children.push(element(written));
    } else if (field.place === 'attribute') attributes[written] = writeScalar(given);
    else if (field.place === 'text') text = writeScalar(given);
    else children.push(element(written, writeScalar(given)));
  }
  return element(name, text ?? children, attributes);
}

function writeScalar(value: unknown): string {
  if (typeof value === 'boolean') return value ? '1' : '0';
  return String(value);
}
