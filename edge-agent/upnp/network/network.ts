// The seam to the LAN: its interfaces, and HTTP requests to on-link addresses only. Requirements S1, C15–C17, Z1–Z5, Z18.
import { lookup as dnsLookup } from 'node:dns/promises';
import { Agent } from 'node:http';
import { guardedAddress } from '../../../shared/address-guard.ts';
import { canonicalAddress } from '../../../shared/ip-address.ts';
import { UpnpError } from '../error.ts';
import { interfaceOf, type LocalInterface, listInterfaces, objectionTo } from './address.ts';
import { exchange, type HttpAnswer, type HttpRequest } from './http-exchange.ts';
import { type HttpUrl, originOf, parseHttpUrl, resolveHttpUrl } from './http-url.ts';
import { Turns } from './turns.ts';

export { type LocalInterface, listInterfaces } from './address.ts';
export type { BodyReader, HttpAnswer, HttpRequest } from './http-exchange.ts';

export interface Network {
  /** The current addresses of this machine on the networks in use. */
  interfaces(): LocalInterface[];
  /** @throws UpnpError unreachable or malformed, with the outcome; any HTTP status is an answer, not an error */
  request(request: HttpRequest): Promise<HttpAnswer>;
}

export interface LanNetworkOptions {
  /** Interface names to use; empty means all but loopback. Loopback is reached only when `lo` is named. */
  interfaces: readonly string[];
  /** Allow devices at this machine's own addresses, such as a software phone beside the agent. */
  allowOwnAddress?: boolean;
  /** Resolves a host name; default the system resolver. */
  lookup?: (host: string) => Promise<readonly string[]>;
}

const maxRedirects = 2;
const maxQuirks = 256;
const interfacesFreshMs = 1000;
/** Ports that never serve a device description, but that a forged LOCATION could make us write to (Z4). */
const forbiddenPorts: ReadonlySet<number> = new Set([
  19, 21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 587, 993, 995, 3306, 5432, 6379,
]);

export class LanNetwork implements Network {
  readonly #options: LanNetworkOptions;
  readonly #turns = new Turns();
  /** Origins whose answers need Node's lenient parser, oldest first (quirk 50). */
  readonly #lenient = new Set<string>();
  #agent: Agent | undefined;
  #stopping = new AbortController();
  #interfaces: { readonly list: LocalInterface[]; readonly readAtMs: number } | undefined;

  constructor(options: LanNetworkOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController();
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 8,
      maxTotalSockets: 128,
      // Equal to maxSockets: closing a surplus idle connection ourselves would look like a restart of the device.
      maxFreeSockets: 8,
      timeout: 30_000,
    });
  }

  /** Aborts every request in flight and closes every connection. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the network was stopped'));
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  interfaces(): LocalInterface[] {
    const nowMs = performance.now();
    if (this.#interfaces === undefined || nowMs - this.#interfaces.readAtMs > interfacesFreshMs) {
      this.#interfaces = { list: listInterfaces(this.#options.interfaces), readAtMs: nowMs };
    }
    return this.#interfaces.list;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const first = parseHttpUrl(request.url);
    if (first === undefined) throw forbidden('is no usable http URL');
    let url: HttpUrl = first;
    const untilMs = performance.now() + request.deadlineMs;
    const signal = request.signal ? AbortSignal.any([request.signal, this.#stopping.signal]) : this.#stopping.signal;
    let peer = request.peer;
    for (let redirects = 0; ; redirects++) {
      const address = await this.#checkedAddress(url, peer, request.interfaceName, untilMs);
      const answer = await this.#send(url, address, request, untilMs, signal);
      const next: HttpUrl | undefined = redirects < maxRedirects ? redirectOf(request.method, answer, url) : undefined;
      if (next === undefined) return answer;
      url = next;
      peer = address;
    }
  }

  /** The allowed address to dial (Z1, Z2, Z4, Z5). A name is resolved once, here. */
  async #checkedAddress(
    url: HttpUrl,
    peer: string | undefined,
    interfaceName: string | undefined,
    untilMs: number,
  ): Promise<string> {
    if (forbiddenPorts.has(url.port)) throw forbidden('has the port of another service');
    const candidates = url.address !== undefined ? [url.address] : await this.#lookUp(url.host, untilMs);
    const wanted = peer === undefined ? undefined : (canonicalAddress(peer) ?? '');
    const found = guardedAddress(candidates, (address) => {
      const objection = this.#objectionNow(address, interfaceName);
      return objection ?? (wanted === undefined || address === wanted ? undefined : 'is not where the device is');
    });
    if ('objection' in found) throw forbidden(found.objection);
    return url.zone === undefined ? found.address : `${found.address}%${url.zone}`;
  }

  /** Re-reads the interfaces before refusing: the address may be on a network that has just come up (D23). */
  #objectionNow(canonical: string, interfaceName: string | undefined): string | undefined {
    const objection = this.#objectionTo(canonical, interfaceName);
    if (objection === undefined) return undefined;
    this.#interfaces = undefined;
    return this.#objectionTo(canonical, interfaceName);
  }

  #objectionTo(canonical: string, interfaceName: string | undefined): string | undefined {
    const interfaces = this.interfaces();
    const near = interfaceName === undefined ? interfaces : interfaces.filter((one) => one.name === interfaceName);
    if (this.#options.allowOwnAddress && near.some((one) => one.address === canonical)) return undefined;
    // Loopback has a prefix of its own, so only a device discovered on loopback is reached there.
    const isElsewhere = near.length < interfaces.length && interfaceOf(canonical, near) === undefined;
    return isElsewhere ? 'is not on the network where the device was heard' : objectionTo(canonical, interfaces);
  }

  async #lookUp(host: string, untilMs: number): Promise<readonly string[]> {
    const lookup = this.#options.lookup ?? systemLookup;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(forbidden('has a name that was not found in time')), untilMs - performance.now());
    });
    try {
      return await Promise.race([lookup(host), late]);
    } catch (error) {
      throw error instanceof UpnpError ? error : forbidden('has a name that is not known', error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #send(
    url: HttpUrl,
    address: string,
    request: HttpRequest,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    const origin = originOf({ ...url, address });
    const release = request.inTurn ? await this.#turns.take(origin, untilMs - performance.now(), signal) : undefined;
    try {
      return await this.#attempt(url, address, origin, request, untilMs, signal);
    } finally {
      release?.();
    }
  }

  async #attempt(
    url: HttpUrl,
    address: string,
    origin: string,
    request: HttpRequest,
    untilMs: number,
    signal: AbortSignal,
  ): Promise<HttpAnswer> {
    if (this.#agent === undefined)
      throw new UpnpError('unreachable', 'The network is stopped', { outcome: 'not-done' });
    let fresh = request.fresh ?? false;
    for (let attempts = 1; ; attempts++) {
      const lenient = this.#lenient.has(origin);
      // The lenient parser could be tricked into splitting one answer in two, so its connection is never reused (Z18).
      const agent = fresh || lenient ? undefined : this.#agent;
      const timeLeftMs = Math.max(1, untilMs - performance.now());
      const result = await exchange({ url, address, request, agent, lenient, timeLeftMs, signal });
      if ('answer' in result) return result.answer;
      if (result.remedy === 'lenient-parser') this.#rememberQuirk(origin);
      if (request.fresh || result.remedy === undefined || attempts === 3) throw result.error;
      fresh = true;
    }
  }

  #rememberQuirk(origin: string): void {
    const [oldest] = this.#lenient;
    if (this.#lenient.size >= maxQuirks && oldest !== undefined) this.#lenient.delete(oldest);
    this.#lenient.add(origin);
  }
}

/** The target of a GET redirect on the same host; each hop is checked like the first (S1). */
function redirectOf(method: string, answer: HttpAnswer, from: HttpUrl): HttpUrl | undefined {
  const location = answer.headers.get('location');
  if (method !== 'GET' || answer.status < 301 || answer.status > 308 || location === undefined) return undefined;
  return resolveHttpUrl(location, from);
}

async function systemLookup(host: string): Promise<readonly string[]> {
  return (await dnsLookup(host, { all: true })).map((found) => found.address);
}

function forbidden(reason: string, cause?: unknown): UpnpError {
  return new UpnpError('unreachable', `The address ${reason}`, { outcome: 'not-done', cause });
}
