// The phone's own web page on loopback: shows its content, and a form that simulates incoming messages.
// A token per start keeps other users of this machine out. It uses HTTP Basic authentication instead of a cookie, because
// cookies of 127.0.0.1 go to every port, also to another user's server. Forms and `npm run phone -- say` send the token,
// so that no web page can forge them.
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { limits } from '../../protocol/limits.ts';
import type { Party } from '../../protocol/phone-model.ts';
import type { LineEvents } from './lines/line.ts';
import type { Messages } from './messages.ts';
import { writePage } from './page.ts';
import type { PhoneSessions } from './sessions.ts';

export interface ControlPageOptions {
  /** On 127.0.0.1; 0 picks a free port. */
  readonly port: number;
  /** The folder of `control.json`, which holds the URL and token of the running phone. */
  readonly dataFolder: string;
  readonly owner: Party;
  readonly messages: Messages;
  readonly sessions: PhoneSessions;
  readonly events: LineEvents;
  /** Suggested as senders. */
  readonly correspondents: readonly Party[];
}

/** The content of `control.json`, readable only by its owner. */
export interface ControlFile {
  readonly url: string;
  readonly token: string;
}

export const controlFileName = 'control.json';
const maxFormBytes = 1024 * 1024;
const maxSubjectChars = 200;

export class ControlPage {
  readonly #options: ControlPageOptions;
  readonly #token = randomBytes(24).toString('base64url');
  #server: Server | undefined;

  constructor(options: ControlPageOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const server = createServer(
      { headersTimeout: 5000, requestTimeout: 10_000, connectionsCheckingInterval: 1000 },
      (request, response) => {
        this.#handle(request, response).catch(() => end(response, 500));
      },
    );
    server.maxConnections = 32;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#options.port, '127.0.0.1', () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    this.#server = server;
    const control: ControlFile = { url: this.url, token: this.#token };
    rmSync(this.#file, { force: true });
    writeFileSync(this.#file, JSON.stringify(control), { mode: 0o600 });
  }

  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    rmSync(this.#file, { force: true });
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }

  /** The token that the page requires. */
  get token(): string {
    return this.#token;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  get #port(): number {
    const address = this.#server?.address();
    return address === null || typeof address !== 'object' ? 0 : address.port;
  }

  get #file(): string {
    return join(this.#options.dataFolder, controlFileName);
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const host = request.headers.host;
    if (host !== `127.0.0.1:${this.#port}` && host !== `localhost:${this.#port}`) {
      end(response, 421);
      return;
    }
    if (request.url === '/' && (request.method === 'GET' || request.method === 'HEAD')) {
      if (!this.#isKnown(request)) {
        const words = `Sign in with any user name and the phone's token as the password. The token is in ${this.#file}.\n`;
        response
          .writeHead(401, {
            'WWW-Authenticate': `Basic realm="Phone page: any user name, the token as the password", charset="UTF-8"`,
            'Content-Type': 'text/plain; charset=utf-8',
            'Cache-Control': 'no-store',
            'X-Content-Type-Options': 'nosniff',
          })
          .end(words);
        return;
      }
      const { owner, messages, sessions, correspondents } = this.#options;
      const page = writePage({
        owner,
        token: this.#token,
        messages: messages.search({ messageClass: '', folder: '', status: '', sessionId: '' }),
        sessions: sessions.search({ sessionId: '', sessionClass: '', status: '' }),
        correspondents,
      });
      response
        .writeHead(200, {
          'Content-Type': 'text/html; charset=utf-8',
          'Content-Security-Policy':
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
          'Cache-Control': 'no-store',
          'Referrer-Policy': 'no-referrer',
          'X-Content-Type-Options': 'nosniff',
        })
        .end(page);
      return;
    }
    if (request.url !== '/happen') {
      end(response, 404);
      return;
    }
    if (request.method !== 'POST') {
      end(response, 405);
      return;
    }
    const { origin } = request.headers;
    if (origin !== undefined && origin !== `http://${host}`) {
      end(response, 403);
      return;
    }
    const form = await readForm(request);
    if (form === undefined) {
      end(response, 413);
      return;
    }
    if (!sameSecret(form.get('token') ?? '', this.#token)) {
      end(response, 403);
      return;
    }
    const what = await this.#perform(form);
    if (what === undefined) {
      end(response, 400);
      return;
    }
    if (request.headers.accept?.includes('application/json')) {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify({ id: what }));
    } else response.writeHead(303, { Location: '/' }).end();
  }

  #isKnown(request: IncomingMessage): boolean {
    const [, scheme = '', credentials = ''] =
      /^(Basic|Bearer) +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
    if (scheme.toLowerCase() === 'bearer') return sameSecret(credentials, this.#token);
    const pair = Buffer.from(credentials, 'base64').toString('utf8');
    return sameSecret(pair.slice(pair.indexOf(':') + 1), this.#token);
  }

  /** Performs the form's request. Returns the identifier of the result, or undefined for an invalid form. */
  async #perform(form: URLSearchParams): Promise<string | undefined> {
    const { events, correspondents } = this.#options;
    const address = form.get('from')?.trim() ?? '';
    const body = form.get('text') ?? '';
    const subject = form.get('subject') ?? '';
    if (address === '' || address.length > limits.addressChars || body.length > limits.bodyChars) return undefined;
    if (subject.length > maxSubjectChars) return undefined;
    const known = correspondents.find((one) => one.address === address);
    const from: Party = { address, ...(known === undefined ? {} : { displayName: known.displayName }) };
    switch (form.get('what') ?? 'message') {
      case 'message':
        return events.arrived({ messageClass: classFor(address), from, body, ...(subject === '' ? {} : { subject }) });
      case 'chat':
        return events.offered({
          sessionClass: 'Chat',
          initiator: from,
          subject: subject === '' ? `Chat with ${from.displayName ?? address}` : subject,
        });
      case 'ring':
        return events.arrived({ messageClass: 'SMS', from, body: `Missed call from ${from.displayName ?? address}` });
      default:
        return undefined;
    }
  }
}

function classFor(address: string) {
  if (/^(?:xmpp|sip):/i.test(address)) return 'Instant Message';
  return address.includes('@') ? 'e-Mail' : 'SMS';
}

function sameSecret(given: string, own: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(own)];
  return a.length === b.length && timingSafeEqual(a, b);
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxFormBytes) return undefined;
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function end(response: ServerResponse, status: number): void {
  if (!response.headersSent) response.writeHead(status, { Connection: 'close', 'Content-Length': 0 });
  response.end();
}
