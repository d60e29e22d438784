// A page's globals without a browser: the dashboard's state, run by Node, talks to a real cloud with a session cookie.
// Answers can be held back and connections cut, so that tests decide the order of a race.
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { NodeHost } from '../../../cloud/hosts/node.ts';
import { ScriptedHome } from '../scripted-home.ts';

const quiet = { error: () => undefined, warn: () => undefined, info: () => undefined };

interface Request {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string | undefined;
}

export class BrowserPage {
  readonly host: NodeHost;
  readonly home: ScriptedHome;
  /** Requests that the page made, oldest first. */
  readonly requests: Request[] = [];
  /** Paths of the answers that the page got. */
  readonly answered: string[] = [];
  readonly storage = new Map<string, string>();
  readonly #folder: string;
  readonly #events = new EventTarget();
  readonly #restore: (() => void)[] = [];
  readonly #held: { matches: RegExp; released: Promise<void> }[] = [];
  #cookie = '';
  #visibility = 'visible';
  #isCut = false;
  #losesAnswers = 0;

  constructor(folder: string, host: NodeHost, home: ScriptedHome) {
    this.#folder = folder;
    this.host = host;
    this.home = home;
  }

  /** A page without a session; its home's agent is connected. */
  static async open(): Promise<BrowserPage> {
    const folder = await mkdtemp(join(tmpdir(), 'homeline-page-'));
    const host = new NodeHost({ host: '127.0.0.1', port: 0, dataFolder: folder, home: 'home', log: quiet });
    await host.start();
    const home = new ScriptedHome(host.url, await host.issueAgentToken('Raspberry Pi'));
    await home.start();
    const page = new BrowserPage(folder, host, home);
    page.#install();
    return page;
  }

  async close(): Promise<void> {
    for (const restore of this.#restore) restore();
    await this.home.stop();
    await this.host.stop();
    await rm(this.#folder, { recursive: true });
  }

  /** The code of a new sign-in link. */
  async signInCode(): Promise<string> {
    return (await this.host.signInLink()).split('#sign-in=')[1] ?? '';
  }

  async signIn(): Promise<void> {
    await fetch('/v1/sign-in', { method: 'POST', body: JSON.stringify({ code: await this.signInCode() }) });
  }

  /** Holds back the answers to requests whose method and path match; the returned function releases them. */
  hold(matches: RegExp): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.push({ matches, released: promise });
    return resolve;
  }

  /** Without a network no request reaches the cloud. */
  set isCut(isCut: boolean) {
    this.#isCut = isCut;
  }

  /** The next requests reach the cloud, and their answers are lost. */
  loseAnswers(count: number): void {
    this.#losesAnswers = count;
  }

  set visibility(visibility: 'visible' | 'hidden') {
    this.#visibility = visibility;
  }

  dispatch(event: Event): boolean {
    return this.#events.dispatchEvent(event);
  }

  requestsTo(matches: RegExp): Request[] {
    return this.requests.filter(({ method, path }) => matches.test(`${method} ${path}`));
  }

  async #fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const { method = 'GET', body } = init;
    const headers = { ...(init.headers as Record<string, string> | undefined) };
    const sent: Request = { method, path, headers, body: typeof body === 'string' ? body : undefined };
    if (sent.body !== undefined) headers['content-type'] ??= 'application/json';
    this.requests.push(sent);
    if (this.#isCut) throw new TypeError('Failed to fetch');
    const response = await this.#send(sent);
    const held = this.#held.find(({ matches }) => matches.test(`${method} ${path}`));
    if (held !== undefined) this.#held.splice(this.#held.indexOf(held), 1);
    await held?.released;
    if (this.#losesAnswers > 0) {
      this.#losesAnswers--;
      throw new TypeError('Failed to fetch');
    }
    this.answered.push(path);
    return response;
  }

  #send({ method, path, headers, body }: Request): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const fromThisPage = { origin: this.host.url, 'sec-fetch-site': 'same-origin', cookie: this.#cookie };
    const outgoing = request(this.host.url + path, { method, headers: { ...headers, ...fromThisPage } }, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        this.#cookie = incoming.headers['set-cookie']?.[0]?.split(';')[0] ?? this.#cookie;
        const status = incoming.statusCode ?? 0;
        resolve(new Response(status === 204 ? null : Buffer.concat(chunks), { status }));
      });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
    return promise;
  }

  #install(): void {
    const storage = {
      getItem: (name: string) => this.storage.get(name) ?? null,
      setItem: (name: string, value: string) => this.storage.set(name, value),
    };
    const page = this;
    this.#replace('fetch', (path: string, init?: RequestInit) => this.#fetch(path, init));
    this.#replace('localStorage', storage);
    this.#replace('document', {
      get visibilityState() {
        return page.#visibility;
      },
    });
    this.#replace('addEventListener', this.#events.addEventListener.bind(this.#events));
    this.#replace('removeEventListener', this.#events.removeEventListener.bind(this.#events));
    this.#replace('location', { hash: '', pathname: '/' });
    this.#replace('history', {
      replaceState: () => {
        location.hash = '';
      },
    });
  }

  #replace(name: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(globalThis, name);
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    this.#restore.push(() => {
      if (before === undefined) Reflect.deleteProperty(globalThis, name);
      else Object.defineProperty(globalThis, name, before);
    });
  }
}

/** Resolves when the condition holds. Fails with `what` after ten seconds. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + 10_000; !holds(); ) {
    if (performance.now() > endMs) throw new Error(`It did not happen within ten seconds: ${what}.`);
    await pause(5);
  }
}
