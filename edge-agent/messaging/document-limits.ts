// Truncates a phone's data to the limits of the schemas, so that one long field does not cost the rest of its entry.
import { createHash } from 'node:crypto';
import { limits } from '../../protocol/limits.ts';

/** The longest emoji in use has about 30 UTF-16 units; longer grapheme clusters may be split. */
const maxClusterChars = 128;
const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Truncates to at most `max` UTF-16 units without splitting a grapheme cluster. */
export function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  // Segmenting a long text takes seconds, so only the surroundings of the cut are segmented.
  let start = Math.max(0, max - maxClusterChars);
  if (isWithinPair(text, start)) start--;
  // Flags are pairs of symbols; the pairs are only known from the start of the run.
  while (start > 0 && isFlagPart(text, start) && isFlagPart(text, start - 2)) start -= 2;
  const around = text.slice(start, max + maxClusterChars);
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

/** A stable replacement for an identifier that is too long; the phone does not know it. */
function shortIdentifier(identifier: string): string {
  return `long-${createHash('sha256').update(identifier).digest('hex')}`;
}

/** The part of a zod schema that is needed here. */
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
 * Truncates what exceeds a limit of the schema; returns the value and the top-level keys that were cut. The value is
 * undefined when the schema objects to more than lengths.
 */
export function fitToSchema<Value>(
  schema: LimitedSchema<Value>,
  value: unknown,
): { value: Value | undefined; cut: ReadonlySet<string> } {
  const cut = new Set<string>();
  const held = { value };
  // Shorten lists first; their remaining entries may be too long as well.
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
      // The ellipsis keeps a truncated address from matching another real one.
      return `${cutText(given, limits.addressChars - 1)}…`;
    case 'contentType': {
      const [type = ''] = given.split(';', 1);
      return type.length <= max ? type : 'application/octet-stream';
    }
    // A truncated URL or hash is useless. A file needs a URL, though it may be empty; an attachment does not.
    case 'url':
      return 'fileId' in record ? '' : undefined;
    case 'sha256':
      return undefined;
    default:
      return cutText(given, max);
  }
}
