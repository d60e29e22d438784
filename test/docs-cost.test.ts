// docs/cost.md says what the record says: its tables are those that test/bench/cost.ts prints.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { households, readRecord, sharesOf, tables } from './bench/cost.ts';

const document = readFileSync(join(import.meta.dirname, '../docs/cost.md'), 'utf8');

describe('docs/cost.md', () => {
  it.each(tables(readRecord()).trim().split('\n\n'))('holds the table as computed from the record: %s', (table) => {
    expect(document).toContain(table);
  });

  it('counts every part of the bill of every household', () => {
    const record = readRecord();
    expect(Object.keys(record)).toEqual(Object.keys(households));
    for (const [household, kinds] of Object.entries(households)) {
      expect(Object.keys(record[household] ?? {})).toEqual(kinds);
    }
    const sent = record['100 messages a day']?.['message out'];
    if (sent === undefined) throw new Error('Nothing was sent.');
    for (const dollars of Object.values(sharesOf(sent))) expect(dollars).toBeGreaterThan(0);
  });
});
