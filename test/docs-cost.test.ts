// The tables of docs/cost.md are those that test/bench/cost.ts prints.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { households, readRecord, sharesOf, tables, withTables } from './bench/cost.ts';
import type { DayRecord } from './bench/cost-day.ts';

const document = readFileSync(join(import.meta.dirname, '../docs/cost.md'), 'utf8');

describe('docs/cost.md', () => {
  it.each(tables(readRecord()).trim().split('\n\n'))('holds the table as computed from the record: %s', (table) => {
    expect(document).toContain(table);
  });

  it('gets its tables, and nothing else, from the record', () => {
    const record = readRecord();
    expect(withTables(document, tables(record))).toBe(document);
    const doubled = Object.fromEntries(Object.entries(record).map(([name, day]) => [name, timesTwo(day)]));
    const other = withTables(document, tables(doubled));
    expect(other).not.toBe(document);
    for (const table of tables(doubled).trim().split('\n\n')) expect(other).toContain(table);
    expect(withTables(other, tables(record))).toBe(document);
  });

  it('counts every part of the bill of every household', () => {
    const record = readRecord();
    expect(Object.keys(record)).toEqual(Object.keys(households));
    for (const [household, kinds] of Object.entries(households)) {
      expect(Object.keys(record[household] ?? {})).toEqual(kinds);
    }
    // Which operation pays for deferred writes is chance: only the sums of the whole day are stable.
    const shares = Object.values(record['100 messages a day'] ?? {}).map(sharesOf);
    for (const part of Object.keys(shares[0] ?? {})) {
      expect(Math.max(...shares.map((each) => each[part] ?? 0)), part).toBeGreaterThan(0);
    }
    expect(shares.length).toBeGreaterThan(0);
  });
});

/** A day in which everything costs twice as much. */
function timesTwo(day: DayRecord): DayRecord {
  const kinds = Object.entries(day).map(([kind, { times, ...counts }]) => {
    const doubled = Object.entries(counts).map(([name, count]) => [name, 2 * count]);
    return [kind, { times, ...Object.fromEntries(doubled) }];
  });
  return Object.fromEntries(kinds);
}
