// The built dashboard from its folder: hashed assets are cached for ever, the page never. Files stay in memory and are
// shared: otherwise each of 1,000 slow readers would have a copy of its own.
import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import type { AppOptions } from '../app.ts';
import { KeptAnswer } from '../routes/kept-answer.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.json': 'application/json',
  '.webmanifest': 'application/manifest+json',
  '.woff2': 'font/woff2',
  '.txt': 'text/plain; charset=utf-8',
};

const unbuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Homeline</title>
<link rel="stylesheet" href="/docs/style.css"><h1>Homeline is running</h1>
<p>Its dashboard is not built yet: run <code>npm run build</code>, then load this page again.</p>
<p>The API is described under <a href="/docs">/docs</a>.</p></html>`;

/** Files under `folder`; a path without a file answers the page, which routes by itself. */
export function folderDashboard(folder: string): NonNullable<AppOptions['dashboard']> {
  const files = new KeptFiles(folder);
  return async ({ path, isNavigation }) => {
    const name = decode(path);
    if (name === undefined) return undefined;
    if (name !== '/' && extname(name) !== '') return files.find(name);
    if (name !== '/' && !isNavigation) return undefined;
    return (
      (await files.find('/index.html')) ?? {
        body: unbuilt,
        contentType: 'text/html; charset=utf-8',
        cacheControl: 'no-store',
      }
    );
  };
}

class KeptFiles {
  readonly #folder: string;
  readonly #kept = new Map<string, { version: string; answer: KeptAnswer }>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Undefined if there is no such file; a new build is found without a restart. */
  async find(name: string): Promise<KeptAnswer | undefined> {
    const contentType = contentTypes[extname(name)];
    if (contentType === undefined) return undefined;
    const path = join(this.#folder, name);
    try {
      const { mtimeMs, size, ino } = await stat(path);
      const version = `${mtimeMs} ${size} ${ino}`;
      const known = this.#kept.get(name);
      if (known?.version === version) return known.answer;
      const body = new Uint8Array(await readFile(path));
      const cacheControl = name.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache';
      const answer = new KeptAnswer(() => ({ body, contentType, cacheControl }));
      this.#kept.set(name, { version, answer });
      return answer;
    } catch {
      this.#kept.delete(name);
      return undefined;
    }
  }
}

/** The path within the folder; undefined when it would lead out of it. */
function decode(path: string): string | undefined {
  try {
    const name = normalize(decodeURIComponent(path));
    return name.startsWith('/') && !name.includes('\0') ? name : undefined;
  } catch {
    return undefined;
  }
}
