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
    const { 'message out': sent } = readRecord();
    for (const dollars of Object.values(sharesOf(sent))) expect(dollars).toBeGreaterThan(0);
    expect(Object.keys(households)).toHaveLength(3);
  });
});
