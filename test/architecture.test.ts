// Checks imports between rooms, import cycles, and the language of the house.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const rooms = ['protocol', 'shared', 'edge-agent', 'cloud', 'infra'];

interface Import {
  from: string;
  /** A path in the repository, or the name of a package. */
  to: string;
  own: boolean;
}

const imports = rooms.flatMap(sourceFiles).flatMap(importsOf);

/** What the store's callers see of it. */
const storeSeam = [
  'clock',
  'conversation-store',
  'event-store',
  'home-store',
  'message-store',
  'page',
  'phone-store',
  'request-store',
  'session-store',
  'store',
  'token-store',
].map((name) => `cloud/store/${name}.ts`);

/** The only folders and packages that the files of a folder may import. */
const doors: { room: string; own: string[]; packages: RegExp }[] = [
  { room: 'protocol', own: ['protocol'], packages: /^zod$/ },
  { room: 'shared', own: ['shared'], packages: /^node:/ },
  {
    room: 'edge-agent/upnp',
    own: ['edge-agent/upnp', 'shared'],
    packages: /^(node:.*|fast-xml-parser|sax)$/,
  },
  {
    room: 'edge-agent/messaging',
    own: ['edge-agent/messaging', 'edge-agent/upnp', 'protocol', 'shared'],
    packages: /^node:/,
  },
  { room: 'edge-agent/tunnel', own: ['edge-agent/tunnel', 'protocol', 'shared'], packages: /^(node:.*|ws)$/ },
  {
    room: 'edge-agent/commands',
    own: ['edge-agent/commands', 'edge-agent/messaging', 'edge-agent/tunnel', 'edge-agent/upnp', 'protocol', 'shared'],
    packages: /^node:/,
  },
  {
    room: 'edge-agent',
    own: ['edge-agent', 'protocol', 'shared'],
    packages: /^(node:.*|ws|zod|fast-xml-parser|sax)$/,
  },
  {
    room: 'cloud/hub',
    own: ['cloud/hub', ...storeSeam, 'cloud/store/rules', 'protocol', 'shared'],
    packages: /^zod$/,
  },
  {
    room: 'cloud/store',
    own: ['cloud/store', 'protocol', 'shared'],
    packages: /^(node:.*|zod|libphonenumber-js\/min|@aws-sdk\/.*)$/,
  },
  {
    room: 'cloud/routes',
    own: ['cloud', 'protocol', 'shared'],
    packages: /^(hono|hono\/.*|@hono\/zod-openapi|zod|node:crypto)$/,
  },
  {
    room: 'cloud/dashboard',
    own: ['cloud/dashboard', 'protocol', 'shared'],
    packages: /^(preact|preact\/.*|@preact\/.*|vite)$/,
  },
  { room: 'cloud', own: ['cloud', 'protocol', 'shared'], packages: /.*/ },
  {
    room: 'infra',
    own: [
      'infra',
      'protocol',
      'shared',
      'cloud/store/table.ts',
      'cloud/owner-token.ts',
      'cloud/settings.ts',
      'edge-agent/settings.ts',
      'edge-agent/phone/settings.ts',
    ],
    packages: /.*/,
  },
];

describe('the doors of the house', () => {
  it.each(doors)('$room imports only what it may', ({ room, own, packages }) => {
    const strays = imports
      .filter((each) => within(each.from, room))
      .filter((each) => (each.own ? !own.some((place) => within(each.to, place)) : !packages.test(each.to)));
    expect(strays.map((each) => `${each.from} → ${each.to}`)).toEqual([]);
  });

  it('hands hub and store to the routes instead of letting them reach the engines', () => {
    const strays = imports.filter(
      (each) => within(each.from, 'cloud/routes') && /cloud\/(hosts|store\/(sqlite|dynamo))/.test(each.to),
    );
    expect(strays).toEqual([]);
  });

  it('keeps the cloud’s model of messages out of the agent and the protocol', () => {
    const strays = imports.filter(
      (each) => each.to === 'protocol/model.ts' && (within(each.from, 'edge-agent') || within(each.from, 'protocol')),
    );
    expect(strays).toEqual([]);
  });

  it('has no import cycle, by value or by type', () => {
    expect(findCycle(imports.filter((each) => each.own))).toBeUndefined();
  });

  it('would see a cycle if there were one', () => {
    const ring = ['a', 'b', 'c'].map((from, index, all) => ({ from, to: all[(index + 1) % 3] ?? '', own: true }));
    expect(findCycle(ring)).toEqual(['a', 'b', 'c', 'a']);
  });
});

describe('the language of the house', () => {
  it('gives no two exported things the same name', () => {
    const places = Map.groupBy(rooms.flatMap(sourceFiles).flatMap(exportsOf), ({ name }) => name);
    const shared = [...places].filter(([, files]) => new Set(files.map(({ file }) => file)).size > 1);
    expect(shared.map(([name, files]) => `${name}: ${files.map(({ file }) => file).join(', ')}`)).toEqual([]);
  });

  it.each([
    'export function run(): void {}',
    'export async function* run() {}',
    'export const run = 1;',
    'export abstract class run {}',
    'export type run = string;',
  ])('would see the name in “%s”', (text) => {
    expect(exportedNames(text)).toEqual(['run']);
  });

  it('uses none of the banned words in comments, test names and documents', () => {
    const found = [...rooms, 'test'].flatMap(sourceFiles).flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return [...commentsOf(text), ...testNamesOf(text)]
        .filter((line) => banned.test(line))
        .map((line) => `${file}: ${line}`);
    });
    expect([...found, ...documentsWith(banned)]).toEqual([]);
  });

  const dialect = ['// Whoever asks.', ' * It begins anew.', "  it('mends the fault', () => {"];

  it.each(dialect)('would see “%s”', (line) => {
    expect([...commentsOf(line), ...testNamesOf(line)].filter((each) => banned.test(each))).toHaveLength(1);
  });
});

/** Words of the old dialect. CONTRIBUTING.md says what to write instead. */
const banned =
  /\b(?:whoever|whomever|whosoever|anew|likewise|thereof|thereby|hereby|in vain|mends?|mended|mending|the mend|vigil|doorkeeper|roster|canary)\b/i;

function exportsOf(file: string): { name: string; file: string }[] {
  return exportedNames(readFileSync(join(root, file), 'utf8')).map((name) => ({ name, file }));
}

/** Overloads count once. */
function exportedNames(text: string): string[] {
  const found = text.matchAll(
    /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|let|class|type|interface|enum) (\w+)/gm,
  );
  return [...new Set([...found].map((match) => match[1] ?? ''))];
}

function commentsOf(text: string): string[] {
  const found = text.matchAll(/^\s*(?:\/\/|\/?\*+)\s?(.*)$|\s\/\/ (.*)$|\/\*\*? (.*?) \*\//gm);
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? '');
}

function testNamesOf(text: string): string[] {
  const found = text.matchAll(/^\s*(?:it|test|describe)\b.*?\((['`])(.*?)\1,/gm);
  return [...found].map((match) => match[2] ?? '');
}

function documentsWith(words: RegExp): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md') && !/(^|\/)(node_modules|\.|dist\/)/.test(path))
    .flatMap((path) =>
      readFileSync(join(root, path), 'utf8')
        .split('\n')
        .filter((line) => words.test(line) && !line.startsWith('>'))
        .map((line) => `${path}: ${line}`),
    );
}

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => /\.tsx?$/.test(path) && !/node_modules|\/dist\//.test(path));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s*'([^']+)'|(?:^|\n)import\s*'([^']+)'|\bimport\('([^']+)'\)/g,
  );
  return [...found].map((match) => {
    const name = match[1] ?? match[2] ?? match[3] ?? '';
    const own = name.startsWith('.');
    return { from: file, to: own ? relative(root, resolve(root, dirname(file), name)) : name, own };
  });
}

function within(path: string, place: string): boolean {
  return path === place || path.startsWith(`${place}/`);
}

function findCycle(edges: Import[]): string[] | undefined {
  const next = new Map<string, string[]>();
  for (const edge of edges) next.set(edge.from, [...(next.get(edge.from) ?? []), edge.to]);
  const done = new Set<string>();
  const visit = (file: string, path: string[]): string[] | undefined => {
    const at = path.indexOf(file);
    if (at >= 0) return [...path.slice(at), file];
    if (done.has(file)) return undefined;
    for (const other of next.get(file) ?? []) {
      const cycle = visit(other, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}
