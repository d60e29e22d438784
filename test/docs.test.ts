// The files and commands that documents name exist.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const skipped = /^(node_modules|\.|.*\/(node_modules|dist)\/)/;
const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((path) => !skipped.test(path));
const documents = files.filter((path) => path.endsWith('.md'));
const scripts = Object.keys(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).scripts);
const builtIn = ['ci', 'start', 'test', 'install', 'pack'];

describe.each(documents)('%s', (document) => {
  const text = readFileSync(join(root, document), 'utf8');

  it('names only files that are there', () => {
    const named = [...text.matchAll(/`([\w.][\w./-]*\.(?:ts|tsx|json|toml|yaml|py|md))(?:#L\d+)?`/g)].map(
      (match) => match[1] ?? '',
    );
    const missing = named.filter((name) => !isThere(name));
    expect(missing).toEqual([]);
  });

  it('links only to files that are there', () => {
    const linked = [...text.matchAll(/\]\((?!https?:|#|mailto:)([^)#]+)/g)].map((match) => match[1] ?? '');
    expect(linked.filter((path) => !existsSync(resolve(root, dirname(document), path)))).toEqual([]);
  });

  it('names only commands that are there', () => {
    const commands = [...text.matchAll(/\bnpm (?:run )?([\w:-]+)/g)].map((match) => match[1] ?? '');
    expect(commands.filter((name) => !scripts.includes(name) && !builtIn.includes(name))).toEqual([]);
  });
});

/** A document may name a file by the end of its path. */
function isThere(name: string): boolean {
  return files.some((path) => path === name || path.endsWith(`/${name}`) || basename(path) === name);
}
