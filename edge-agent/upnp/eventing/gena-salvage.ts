// Reads the head of a NOTIFY that Node's HTTP parser refuses: LF line ends, blanks before a colon, or the quoted
// `TRANSFER-ENCODING: "chunked"` of the example in UPnP Device Architecture 1.1 §4.3.2. Requirement E20.

/** The part of a request that the callback server checks. Header names are lower-case. */
export interface NotifyHead {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

const maxLines = 64;
/** Errors in the head only; errors about the body's length are never forgiven. */
const forgivable: ReadonlySet<unknown> = new Set([
  'HPE_CR_EXPECTED',
  'HPE_INVALID_HEADER_TOKEN',
  'HPE_INVALID_TRANSFER_ENCODING',
  'HPE_INVALID_VERSION',
]);

/** Parses the head in the packet that the parser refused; undefined when there is none. Never throws. */
export function readBrokenHead(error: Error & { code?: unknown; rawPacket?: unknown }): NotifyHead | undefined {
  const { code, rawPacket } = error;
  const packet = forgivable.has(code) && Buffer.isBuffer(rawPacket) ? rawPacket : undefined;
  const [head, ...rest] = (packet?.toString('latin1') ?? '').split(/\r?\n\r?\n/, 2);
  // An incomplete head may lack the header that would get it refused.
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
  // Two headers that state the length are a sign of request smuggling (Z18).
  if (headers.has('content-length') && headers.has('transfer-encoding')) return undefined;
  return { method, url, headers: Object.fromEntries(headers) };
}
