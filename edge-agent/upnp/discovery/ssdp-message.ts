// SSDP's datagrams as messages: UPnP Device Architecture 2.0, chapter 1. Requirements D7–D12, D16–D19, Z19.

export interface SsdpMessage {
  kind: 'search' | 'notify' | 'answer';
  /** By upper-case name; the first of duplicate headers wins. */
  headers: ReadonlyMap<string, string>;
}

export const ssdpAddress = { v4: '239.255.255.250', v6: 'ff02::c', port: 1900 } as const;

/** MiniUPnP reads 1024 bytes and goupnp 2048; longer datagrams are dropped. */
const maxDatagramBytes = 4096;
const maxHeaders = 64;

/** Parses a datagram; undefined when it is not an SSDP message. Never throws. */
export function parseSsdp(datagram: Uint8Array): SsdpMessage | undefined {
  if (datagram.length === 0 || datagram.length > maxDatagramBytes || datagram.includes(0)) return undefined;
  const lines = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.length)
    .toString('utf8')
    .split(/\r\n|\n|\r/);
  const kind = kindOf(lines[0] ?? '');
  if (kind === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines.slice(1)) {
    if (line === '') break;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toUpperCase();
    if (!/^[!#$%&'*+.^_`|~0-9A-Z-]+$/.test(name) || headers.size >= maxHeaders) return undefined;
    if (!headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return { kind, headers };
}

function kindOf(startLine: string): SsdpMessage['kind'] | undefined {
  if (/^M-SEARCH \* HTTP\/1\.1\s*$/.test(startLine)) return 'search';
  if (/^NOTIFY \* HTTP\/1\.1\s*$/.test(startLine)) return 'notify';
  // Some devices omit the reason phrase.
  if (/^HTTP\/1\.[01] 200(?:\s|$)/.test(startLine)) return 'answer';
  return undefined;
}

/**
 * Writes a datagram: the start line and the headers in this order.
 * @throws RangeError when a part holds a control character: a line break would inject a header
 */
export function writeSsdp(startLine: string, headers: readonly (readonly [string, string])[]): Buffer {
  const lines = [startLine, ...headers.map(([name, value]) => (value === '' ? `${name}:` : `${name}: ${value}`))];
  for (const line of lines) {
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(line)) throw new RangeError('an SSDP header cannot hold control characters');
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'utf8');
}

/** The UDN: the part of a USN before `::`. Undefined when it does not begin with `uuid:` in any case (D12). */
export function udnOfUsn(usn: string | undefined): string | undefined {
  const udn = usn?.split('::', 1)[0]?.trim() ?? '';
  return /^uuid:./i.test(udn) ? `uuid:${udn.slice(5)}` : undefined;
}

const minMaxAgeMs = 60_000;
/** The minimum that UPnP Device Architecture 2.0 §1.2.2 asks for. Longer only keeps forged entries: we search every 5 minutes. */
const maxMaxAgeMs = 1_800_000;
/** The value that GSSDP assumes when a device states none. */
const defaultMaxAgeMs = 1_800_000;

/** How long an advertisement is valid, clamped to 1 … 30 minutes: CACHE-CONTROL first, then EXPIRES minus DATE (D10, D11). */
export function maxAgeMs(headers: ReadonlyMap<string, string>): number {
  const seconds = /max-age\s*=\s*"?(\d+)/i.exec(headers.get('CACHE-CONTROL') ?? '')?.[1];
  const expiresInMs = Date.parse(headers.get('EXPIRES') ?? '') - Date.parse(headers.get('DATE') ?? '');
  const ms = seconds !== undefined ? Number(seconds) * 1000 : Number.isNaN(expiresInMs) ? defaultMaxAgeMs : expiresInMs;
  return Math.min(maxMaxAgeMs, Math.max(minMaxAgeMs, ms));
}

/** A numeric header (BOOTID.UPNP.ORG …) from 0 to 2^31−1, else undefined. */
export function countIn(headers: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = headers.get(name);
  if (text === undefined || !/^\d{1,10}$/.test(text)) return undefined;
  const count = Number(text);
  return count < 2 ** 31 ? count : undefined;
}
