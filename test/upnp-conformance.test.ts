// docs/upnp-conformance.md: every requirement and every quirk has a row, and every file and test that it names exists.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const text = readFileSync(join(root, 'docs/upnp-conformance.md'), 'utf8');
/** The number of requirements per chapter. */
const chapters = { D: 24, S: 16, C: 18, E: 24, H: 24, X: 17, Z: 20 } as const;
const quirks = 53;

const rows = text
  .split('\n')
  .filter((line) => line.startsWith('| '))
  .map((line) => line.slice(2, -2).split(' | '));
const requirements = rows.filter(([id = '']) => /^[DSCEHXZ]\d+$/.test(id));
const withTests = rows
  .map((cells) => [cells[0] ?? '', cells.at(-1) ?? ''] as const)
  .filter(([, test]) => test !== 'Test');

describe('the tables', () => {
  it.each(Object.entries(chapters))('have every requirement of chapter %s', (chapter, count) => {
    const ids = new Set(requirements.map(([id]) => id));
    const missing = Array.from({ length: count }, (_, at) => `${chapter}${at + 1}`).filter((id) => !ids.has(id));
    expect(missing).toEqual([]);
  });

  it('have no requirement that nobody made', () => {
    const limits: Readonly<Record<string, number>> = chapters;
    const invented = requirements.filter(([id = '']) => Number(id.slice(1)) > (limits[id[0] ?? ''] ?? 0));
    expect(invented).toEqual([]);
  });

  it('have every quirk, in order', () => {
    const numbers = rows.map(([id = '']) => id).filter((id) => /^\d+$/.test(id));
    expect(numbers).toEqual(Array.from({ length: quirks }, (_, at) => String(at + 1)));
  });
});

it.each(requirements.map(([id, , files = '']) => [id, files]))('%s names files that are there', (_, files) => {
  const missing = files
    .split(', ')
    .filter((file) => !['edge-agent/upnp', 'edge-agent'].some((room) => existsSync(join(root, room, file))));
  expect(missing).toEqual([]);
});

it.each(withTests)('%s names tests that are there', (_, cell) => {
  expect(cell.split(' · ').map(whatIsMissing).filter(Boolean)).toEqual([]);
});

/** The fault of a reference such as `gena › an event › is read in chunks`. */
function whatIsMissing(reference: string): string | undefined {
  const [file = '', ...titles] = reference.split(' › ');
  const path = ['test/edge-agent/upnp', 'test/edge-agent', 'test']
    .map((room) => join(root, room, `${file}.test.ts`))
    .find((candidate) => existsSync(candidate));
  if (path === undefined || titles.length === 0) return `${reference}: no such file`;
  const known = titlesIn(path);
  return titles.every((title) => known.has(title)) ? undefined : `${reference}: no such test`;
}

/** The names of groups and tests that are not skipped; `…` stands for values of a table. */
function titlesIn(path: string): Set<string> {
  const source = readFileSync(path, 'utf8');
  const calls = source.matchAll(/\(\s*(['"`])((?:(?!\1)[^\\]|\\.)+)\1,\s*(?:async\s*)?(?:\(|\w+ =>)/g);
  const titles = [...calls].filter((call) => !/\b(?:it|describe)\.(?:skip|todo)$/.test(source.slice(0, call.index)));
  return new Set(titles.map((call) => (call[2] ?? '').replace(/\\(.)/g, '$1').replace(/%[sijdp]/g, '…')));
}
