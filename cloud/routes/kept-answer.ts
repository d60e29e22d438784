// Responses that are the same for every client: built once, cached in memory with their gzip variant and validators
// (RFC 9110, 8.8.3 and 13.1.2), so that a flood of requests costs one lookup each.
import type { Context } from 'hono';
import type { AppEnv } from './route-kit.ts';

export interface KeptPage {
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  /** Default `no-cache`: the browser keeps the page and revalidates it on each use. */
  readonly cacheControl?: string | undefined;
}

interface Variant {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** A Workers option (developers.cloudflare.com/workers/runtime-apis/response): without it workerd compresses twice. */
const asItIs: ResponseInit & { encodeBody: 'manual' } = { status: 200, encodeBody: 'manual' };

/** Smaller than this, gzip saves no packet. */
const leastBytes = 1_000;

export class KeptAnswer {
  readonly #build: () => KeptPage;
  #variants: Promise<{ plain: Variant; gzip: Variant | undefined }> | undefined;

  /** `build` runs at the first request, and never again. */
  constructor(build: () => KeptPage) {
    this.#build = build;
  }

  async answer(c: Context<AppEnv>): Promise<Response> {
    this.#variants ??= variantsOf(this.#build());
    const { plain, gzip } = await this.#variants;
    const { body, headers } = gzip !== undefined && takesGzip(c.req.header('accept-encoding')) ? gzip : plain;
    const isKnown = matches(c.req.header('if-none-match'), headers.etag);
    if (isKnown) return c.body(null, 304, without(headers));
    return new Response(body, { ...asItIs, headers: c.body(null, 200, { ...headers }).headers });
  }
}

/** Whether to answer 304 (RFC 9110, 13.1.2): weak comparison; `*` matches any current representation. */
export function matches(ifNoneMatch: string | undefined, etag: string | undefined): boolean {
  if (ifNoneMatch === undefined || etag === undefined) return false;
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(etag);
}

/** A strong validator: it changes when any byte changes. */
export async function etagOf(body: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', body));
  return `"${Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('')}"`;
}

async function variantsOf(page: KeptPage): Promise<{ plain: Variant; gzip: Variant | undefined }> {
  const plain = typeof page.body === 'string' ? new TextEncoder().encode(page.body) : page.body;
  const isWorthIt = plain.byteLength >= leastBytes;
  const shared = {
    'content-type': page.contentType,
    'cache-control': page.cacheControl ?? 'no-cache',
    ...(isWorthIt && { vary: 'accept-encoding' }),
  };
  const variant = async (body: Uint8Array<ArrayBuffer>, more: Record<string, string> = {}) => ({
    body,
    headers: { ...shared, ...more, etag: await etagOf(body) },
  });
  return {
    plain: await variant(plain),
    gzip: isWorthIt ? await variant(await gzipped(plain), { 'content-encoding': 'gzip' }) : undefined,
  };
}

async function gzipped(body: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** `gzip;q=0` means that the client does not accept gzip. */
function takesGzip(acceptEncoding = ''): boolean {
  return acceptEncoding
    .toLowerCase()
    .split(',')
    .some((coding) => /^\s*gzip\s*(;\s*q\s*=\s*(1|0\.\d*[1-9]).*)?$/.test(coding));
}

/** A 304 carries the validators and no header that describes a body (RFC 9110, 15.4.5). */
function without({ 'content-type': _, 'content-encoding': __, ...headers }: Readonly<Record<string, string>>) {
  return headers;
}
