// Profile XML ⇄ model: the documents inside Messaging arguments, by the table in profile.ts.
// Writing is strict, reading lenient; an odd message is never dropped.
import type { DocumentName } from '../../protocol/actions.ts';
import { type DocumentOf, documentSchemas } from '../../protocol/phone-model.ts';
import { element, innerXml, writeXml, type XmlElement, type XmlNode } from '../upnp/xml/xml.ts';
import { fitToSchema, type LimitedSchema } from './document-limits.ts';
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
import { readMessageList } from './list-stream.ts';
import { readMessage } from './message-list.ts';
import { type DocumentShape, homelineProfile, type Profile } from './profile.ts';
import { readRecord, writeRecord } from './record.ts';

/** Writes a model as its XML document, exactly as in the profile. */
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

/** Reads a device's XML document as its model. Throws DocumentError when it is unreadable. */
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

function readList(name: DocumentName, top: XmlNode, xml: string, context: DocumentContext): unknown {
  const shape = shapeFor(name, top);
  if (shape.kind !== 'list') throw new Error(`The table has no list ${name}.`);
  const items = findItems(top, shape.item);
  if (items.length === 0 && !isEmptyList(top, shape.names)) {
    throw new DocumentError(name, xml, context, 'holds no entry and is not an empty list');
  }
  const schema = documentSchemas[name];
  const entrySchema: LimitedSchema<unknown> | undefined = 'element' in schema ? schema.element : undefined;
  const entries: unknown[] = [];
  for (const item of items) {
    const { value, missing, found } = readRecord(item, shape.shape);
    if (found === 0 || missing.length > 0) {
      const reason =
        found === 0 ? 'has an entry that holds nothing known' : `has an entry without ${missing.join(', ')}`;
      context.onBadEntry?.(new DocumentError(name, innerXml(item), context, reason));
      continue;
    }
    const entry = entrySchema === undefined ? value : fitToSchema(entrySchema, value).value;
    if (entry !== undefined) entries.push(entry);
    else context.onBadEntry?.(new DocumentError(name, innerXml(item), context, 'has an entry that is not valid'));
  }
  return checked(name, entries, xml, context);
}

function checked(name: DocumentName, value: unknown, xml: string, context: DocumentContext): unknown {
  const fitted = fitToSchema<unknown>(documentSchemas[name], value).value;
  if (fitted !== undefined) return fitted;
  const issue = documentSchemas[name].safeParse(value).error?.issues[0];
  throw new DocumentError(name, xml, context, `is not valid at ${issue?.path.join('.')}: ${issue?.message}`);
}
