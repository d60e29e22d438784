// The built dashboard from its folder: hashed assets for ever, the page itself always fresh.
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import type { AppParts, DashboardFile } from '../app.ts';

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

/** Files under `folder`; addresses without a file are the page itself, which knows its own addresses. */
export function folderDashboard(folder: string): NonNullable<AppParts['dashboard']> {
  return async ({ path, isNavigation }) => {
    const name = decode(path);
    if (name === undefined) return undefined;
    if (name !== '/' && extname(name) !== '') return readOne(folder, name);
    if (name !== '/' && !isNavigation) return undefined;
    return (
      (await readOne(folder, '/index.html')) ?? {
        body: unbuilt,
        contentType: 'text/html; charset=utf-8',
        cacheControl: 'no-store',
      }
    );
  };
}

async function readOne(folder: string, name: string): Promise<DashboardFile | undefined> {
  const contentType = contentTypes[extname(name)];
  if (contentType === undefined) return undefined;
  try {
    const body = await readFile(join(folder, name));
    const isHashed = name.startsWith('/assets/');
    return {
      body: new Uint8Array(body),
      contentType,
      cacheControl: isHashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    };
  } catch {
    return undefined;
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
