// Cuts what a phone tells to the limits of the schemas, so that one long field never costs the rest of its entry.
import { createHash } from 'node:crypto';
import { limits } from '../../protocol/limits.ts';

/** The longest emoji in use has some 30 UTF-16 units; a "character" longer than this is cut within. */
const longestCharacter = 128;
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** At most `max` UTF-16 units from the start of a text, never ending within a character as people see it. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  // Segmenting all of a long text takes seconds, so only the surroundings of the cut are looked at.
  let start = Math.max(0, max - longestCharacter);
  if (isWithinPair(text, start)) start--;
  // A row of flags divides by its pairs only when it is counted from its start.
  while (start > 0 && isFlagPart(text, start) && isFlagPart(text, start - 2)) start -= 2;
  const around = text.slice(start, max + longestCharacter);
  const at = start + (characters.segment(around).containing(max - start)?.index ?? max - start);
  if (at > start) return text.slice(0, at);
  return text.slice(0, isWithinPair(text, max) ? max - 1 : max);
}

function isFlagPart(text: string, at: number): boolean {
  return /^\ud83c[\udde6-\uddff]/.test(text.slice(Math.max(0, at), at + 2));
}

function isWithinPair(text: string, at: number): boolean {
  return /^[\udc00-\udfff]/.test(text.slice(at, at + 1)) && /^[\ud800-\udbff]/.test(text.slice(at - 1, at));
}

/** Stands for an identifier that is too long; the phone cannot be asked by it, but it stays the same each time. */
function shortIdentifier(identifier: string): string {
  return `long-${createHash('sha256').update(identifier).digest('hex')}`;
}

/** A schema of the protocol, as far as it is needed here. */
export interface LimitedSchema<Value> {
  safeParse(
    value: unknown,
  ):
    | { readonly success: true; readonly data: Value }
    | { readonly success: false; readonly error: { readonly issues: readonly SchemaIssue[] } };
}

interface SchemaIssue {
  readonly code: string;
  readonly message: string;
  readonly path: readonly PropertyKey[];
  readonly origin?: string;
  readonly maximum?: number | bigint;
}

/**
 * A value as its schema takes it, with what is over a limit cut; and the topmost keys of what was cut. The value is
 * undefined where the schema objects to more than lengths.
 */
export function fitToSchema<Value>(
  schema: LimitedSchema<Value>,
  value: unknown,
): { value: Value | undefined; cut: ReadonlySet<string> } {
  const cut = new Set<string>();
  const held = { value };
  // A list is shortened first, and what is left of it may be too long in itself.
  for (let tries = 0; tries < 3; tries++) {
    const result = schema.safeParse(held.value);
    if (result.success) return { value: result.data, cut };
    const tooBig = result.error.issues.filter((issue) => issue.code === 'too_big');
    const lists = tooBig.filter((issue) => issue.origin === 'array');
    if (tooBig.length === 0) break;
    for (const { path, maximum } of lists.length > 0 ? lists : tooBig) {
      shorten(held, ['value', ...path], Number(maximum));
      cut.add(String(path[0] ?? ''));
    }
  }
  return { value: undefined, cut };
}

function shorten(held: Record<PropertyKey, unknown>, path: readonly PropertyKey[], max: number): void {
  const key = path.at(-1) ?? '';
  const record = path.slice(0, -1).reduce((part, step) => part[step] as Record<PropertyKey, unknown>, held);
  const shortened = shortenedValue(String(key), record, max);
  if (shortened === undefined) delete record[key];
  else record[key] = shortened;
}

function shortenedValue(key: string, record: Record<PropertyKey, unknown>, max: number): unknown {
  const given = record[key];
  if (Array.isArray(given)) return given.slice(0, max);
  if (typeof given !== 'string') return undefined;
  switch (key) {
    case 'messageId':
    case 'sessionId':
    case 'fileId':
      return shortIdentifier(given);
    case 'address':
      // Not a shorter address that may be somebody else's: none ends with an ellipsis.
      return `${cutText(given, limits.addressChars - 1)}…`;
    case 'contentType': {
      const [type = ''] = given.split(';', 1);
      return type.length <= max ? type : 'application/octet-stream';
    }
    // A part of these leads nowhere. A file must have an address, if an empty one; an attachment need not.
    case 'url':
      return 'fileId' in record ? '' : undefined;
    case 'sha256':
      return undefined;
    default:
      return cutText(given, max);
  }
}
