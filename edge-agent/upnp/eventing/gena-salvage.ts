// The head of a NOTIFY that Node's HTTP parser refuses: LF alone as line end, blanks before a colon, or the quoted
// `TRANSFER-ENCODING: "chunked"` that the sample in UPnP Device Architecture 1.1 §4.3.2 shows. Requirement E20.

/** What the callback server judges a request by. Names of headers are lower-case. */
export interface NotifyHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

const maxLines = 64;
/** Slips of a head; whatever is wrong with a body's length is not forgiven. */
const forgivable: ReadonlySet<unknown> = new Set([
  'HPE_CR_EXPECTED',
  'HPE_INVALID_HEADER_TOKEN',
  'HPE_INVALID_TRANSFER_ENCODING',
  'HPE_INVALID_VERSION',
]);

/** The head in what the parser stumbled over, leniently read; undefined where there is none. Never throws. */
export function readBrokenHead(error: Error & { code?: unknown; rawPacket?: unknown }): NotifyHead | undefined {
  const { code, rawPacket } = error;
  const packet = forgivable.has(code) && Buffer.isBuffer(rawPacket) ? rawPacket : undefined;
  const [head, ...rest] = (packet?.toString('latin1') ?? '').split(/\r?\n\r?\n/, 2);
  // Without its end, a head may lack what it would be refused for.
  if (head === undefined || rest.length === 0) return undefined;
  const [start = '', ...lines] = head.split(/\r?\n/, maxLines + 1);
  const [, method, url] = /^([A-Z]+) (\S+)/.exec(start) ?? [];
  if (method === undefined || lines.length >= maxLines) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== '' && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  // Two statements about the length are the mark of smuggling (Z18).
  if (headers.has('content-length') && headers.has('transfer-encoding')) return undefined;
  return { method, url, headers: Object.fromEntries(headers) };
}
