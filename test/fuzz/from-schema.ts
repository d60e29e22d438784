// A fast-check arbitrary of all values that a zod schema allows.
import fc from 'fast-check';
import { z } from 'zod';

/** Generates strings without a format, up to a length. */
export type Texts = (maxLength: number) => fc.Arbitrary<string>;

const longest = 24;
const mostItems = 4;

/** @throws Error for an unsupported kind of schema: add it here */
export function arbitraryOf(schema: z.ZodType, texts: Texts): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodObject) return recordOf(schema, texts);
  if (schema instanceof z.ZodArray) return listOf(schema, texts);
  if (schema instanceof z.ZodDiscriminatedUnion) {
    return fc.oneof(...schema.options.map((option) => arbitraryOf(option as z.ZodType, texts)));
  }
  if (schema instanceof z.ZodISODateTime) return time;
  if (schema instanceof z.ZodString) return stringOf(schema, texts);
  if (schema instanceof z.ZodNumber) {
    return fc.integer({ min: within(schema.minValue, 0), max: within(schema.maxValue, 2 ** 31) });
  }
  if (schema instanceof z.ZodBoolean) return fc.boolean();
  if (schema instanceof z.ZodEnum) return fc.constantFrom(...schema.options);
  if (schema instanceof z.ZodLiteral) return fc.constantFrom(...schema.values);
  if (schema instanceof z.ZodUnknown) return fc.jsonValue();
  // zod drops `__proto__` from a record. That is right: no argument has that name.
  if (schema instanceof z.ZodRecord) {
    return fc.dictionary(
      texts(longest).filter((key) => key !== '__proto__'),
      schema.valueType instanceof z.ZodUnknown ? fc.jsonValue() : arbitraryOf(schema.valueType as z.ZodType, texts),
    );
  }
  throw new Error(`no arbitrary for ${schema.def.type}`);
}

const time = fc.integer({ min: 0, max: Date.UTC(2200, 0) }).map((ms) => new Date(ms).toISOString());

function recordOf(schema: z.ZodObject, texts: Texts): fc.Arbitrary<unknown> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  const required: string[] = [];
  for (const [name, field] of Object.entries(schema.shape)) {
    const inner = field instanceof z.ZodOptional ? field.unwrap() : field;
    fields[name] = arbitraryOf(inner as z.ZodType, texts);
    if (inner === field) required.push(name);
  }
  return fc.record(fields, { requiredKeys: required, noNullPrototype: true });
}

function listOf(schema: z.ZodArray, texts: Texts): fc.Arbitrary<unknown> {
  const minLength = checkOf(schema, 'min_length')?.minimum ?? 0;
  const maxLength = Math.max(minLength, Math.min(checkOf(schema, 'max_length')?.maximum ?? mostItems, mostItems));
  return fc.array(arbitraryOf(schema.element as z.ZodType, texts), { minLength, maxLength });
}

function stringOf(schema: z.ZodString, texts: Texts): fc.Arbitrary<string> {
  const pattern = checkOf(schema, 'string_format')?.pattern;
  if (pattern !== undefined) return fc.stringMatching(pattern);
  const minLength = schema.minLength ?? 0;
  return texts(Math.min(schema.maxLength ?? longest, longest)).filter((text) => text.length >= minLength);
}

interface Check {
  readonly check: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: RegExp;
}

/** A check of a schema by zod's name. */
function checkOf(schema: z.ZodType, name: string): Check | undefined {
  return schema.def.checks?.map(({ _zod }) => _zod.def as Check).find(({ check }) => check === name);
}

/** Without a bound in the schema, numbers stay in a likely range. */
function within(bound: number | null, usual: number): number {
  return bound !== null && Math.abs(bound) < Number.MAX_SAFE_INTEGER ? bound : usual;
}
