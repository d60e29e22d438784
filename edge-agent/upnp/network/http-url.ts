// http URLs of devices. WHATWG URL cannot hold the zone of a link-local IPv6 address, so it is stored beside it (D13, D21, D22).
import { isIPv4 } from 'node:net';
import { canonicalAddress } from '../../../shared/ip-address.ts';

export interface HttpUrl {
  /** The host as written: a name or an IP literal, without brackets and zone. */
  readonly host: string;
  /** The host as a canonical IP address; undefined when it is a name. */
  readonly address: string | undefined;
  /** The IPv6 zone: an interface's name or number. */
  readonly zone: string | undefined;
  readonly port: number;
  /** Path and query, as sent. */
  readonly path: string;
}

const maxUrlChars = 2048;
const zonedUrl = /^(https?:\/\/\[[0-9a-f:.]+)%(?:25)?([\w.-]{1,32})(\].*)$/i;

/**
 * Parses an absolute http URL. Undefined for other schemes, user names, port 0, a missing `//`, control characters and
 * more than 2048 characters.
 */
export function parseHttpUrl(text: string): HttpUrl | undefined {
  if (text.length > maxUrlChars || !/^http:\/\/[^/\\]/i.test(text) || /[^\x21-\x7e\u00a1-\uffff ]/.test(text))
    return undefined;
  const zoned = zonedUrl.exec(text);
  const url = URL.parse(zoned === null ? text : `${zoned[1]}${zoned[3]}`);
  if (url === null || url.protocol !== 'http:' || url.username !== '' || url.password !== '' || url.port === '0')
    return undefined;
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    address: canonicalAddress(host),
    zone: zoned?.[2],
    port: url.port === '' ? 80 : Number(url.port),
    path: url.pathname + url.search,
  };
}

/** The URL as text, with its zone; the inverse of `parseHttpUrl`. */
export function formatHttpUrl(url: HttpUrl): string {
  return `http://${hostAndPort(url.host, url.port, url.zone)}${url.path}`;
}

/** The value of a Host header, without the zone, which has no meaning for the peer (D21). */
export function hostHeader(url: HttpUrl): string {
  return hostAndPort(url.host, url.port);
}

/** `host:port` for URLs and Host headers; port 80 is omitted. */
export function hostAndPort(host: string, port: number, zone?: string): string {
  const literal = host.includes(':') ? `[${host}${zone === undefined ? '' : `%25${zone}`}]` : host;
  return port === 80 ? literal : `${literal}:${port}`;
}

/** Host and port of a URL for display, `192.168.1.20:49200` or `[fe80::1%eth0]:49200`; never throws. */
export function authorityOf(location: string): string {
  const url = parseHttpUrl(location);
  return url === undefined ? 'no usable address' : hostAndPort(url.host, url.port, url.zone).replace('%25', '%');
}

/** Identifies the server behind a URL: its address (or name), zone and port. */
export function originOf(url: HttpUrl): string {
  return hostAndPort(url.address ?? url.host, url.port, url.zone);
}

/**
 * Resolves a URL found in a document against the document's own. Undefined when it leads to another host or to none:
 * `//host`, `\\host` and `urn:x` all escape the base (S4, Z5). Another port of the same host is allowed.
 */
export function resolveHttpUrl(reference: string, base: HttpUrl): HttpUrl | undefined {
  const bare = formatHttpUrl({ ...base, zone: undefined });
  const trimmed = reference.trim();
  // `_urn:x:y_control` (quirk 22) does not start with a scheme letter, so URL correctly reads it as a path.
  const resolved = URL.parse(trimmed, bare);
  if (trimmed === '' || resolved === null) return undefined;
  const url = parseHttpUrl(resolved.href);
  return url !== undefined && url.host === base.host ? { ...url, zone: base.zone } : undefined;
}

/** Whether two hosts are of the same IP version: a second URL of the other version is not a move (D14, D15). */
export function sameFamily(a: HttpUrl, b: HttpUrl): boolean {
  return isIPv4(a.host) === isIPv4(b.host);
}

/** The URL with the zone of the receiving interface, where a link-local address needs one (D21). */
export function withZone(location: string, scopeId: number | undefined): string {
  const url = parseHttpUrl(location);
  if (url?.address?.startsWith('fe80:') !== true || scopeId === undefined) return location;
  return formatHttpUrl({ ...url, zone: String(scopeId) });
}
