// Validates SUBSCRIBE and UNSUBSCRIBE: UPnP Device Architecture 2.0 §4.1. Requirements H10, H14, Z6, Z7.
import type { IncomingHttpHeaders } from 'node:http';
import { canonicalAddress } from '../../../shared/ip-address.ts';
import { type HttpUrl, parseHttpUrl } from '../network/http-url.ts';

export type SubscribeRequest =
  | { readonly kind: 'new'; readonly callbacks: readonly HttpUrl[]; readonly timeoutSeconds: number }
  | { readonly kind: 'renewal'; readonly sid: string; readonly timeoutSeconds: number }
  | { readonly kind: 'refused'; readonly status: 400 | 412 };

/** The sender of a request, which limits where events may be sent. */
export interface SubscribeSender {
  readonly peer: string;
  /** Whether an address and port are our own: events to ourselves would loop (Z7). */
  isOurs(address: string, port: number): boolean;
}

/** UDA 2.0 §4.1.2: at least half an hour. We cap at a day. */
const minSeconds = 1800;
const maxSeconds = 86_400;
/** The most delivery URLs that Portable UPnP and GUPnP are known to read. */
const maxCallbacks = 6;

export function readSubscribe(headers: IncomingHttpHeaders, from: SubscribeSender): SubscribeRequest {
  const sid = one(headers.sid);
  const nt = one(headers.nt);
  const callback = one(headers.callback);
  const timeoutSeconds = grantedSeconds(one(headers.timeout));
  if (sid !== undefined) {
    if (nt !== undefined || callback !== undefined) return { kind: 'refused', status: 400 };
    return sid === '' ? { kind: 'refused', status: 412 } : { kind: 'renewal', sid, timeoutSeconds };
  }
  if (nt !== 'upnp:event') return { kind: 'refused', status: 412 };
  const callbacks = readCallbacks(callback ?? '', from);
  return callbacks === undefined ? { kind: 'refused', status: 412 } : { kind: 'new', callbacks, timeoutSeconds };
}

/** The SID to end, or the HTTP status that refuses. */
export function readUnsubscribe(headers: IncomingHttpHeaders): { sid: string } | { status: 400 | 412 } {
  if (headers.nt !== undefined || headers.callback !== undefined) return { status: 400 };
  const sid = one(headers.sid);
  return sid ? { sid } : { status: 412 };
}

/**
 * The delivery URLs; undefined when any is not allowed. A publisher that notifies third parties is a weapon
 * (CallStranger, CVE-2020-12695), so one bad URL refuses the whole SUBSCRIBE.
 */
function readCallbacks(header: string, from: SubscribeSender): HttpUrl[] | undefined {
  // Some televisions omit the angle brackets.
  const texts = header.includes('<') ? [...header.matchAll(/<([^<>]*)>/g)].map((match) => match[1] ?? '') : [header];
  if (texts.length > maxCallbacks) return undefined;
  const callbacks: HttpUrl[] = [];
  for (const text of texts) {
    const url = parseHttpUrl(text);
    if (url?.address === undefined || url.address !== canonicalAddress(from.peer)) return undefined;
    if (from.isOurs(url.address, url.port)) return undefined;
    // A link-local address is only valid on the link of its sender (D22).
    const zone = from.peer.split('%')[1];
    callbacks.push({ ...url, zone });
  }
  return callbacks.length === 0 ? undefined : callbacks;
}

function grantedSeconds(header: string | undefined): number {
  const asked = /^second-(\d{1,9})$/i.exec(header?.trim() ?? '')?.[1];
  return asked === undefined ? minSeconds : Math.min(maxSeconds, Math.max(minSeconds, Number(asked)));
}

function one(header: string | string[] | undefined): string | undefined {
  return (Array.isArray(header) ? header[0] : header)?.trim();
}
