// The network between agent and phone: an HTTP proxy that drops the answers of completed actions, drops, duplicates and
// reorders the phone's events, and answers with lists that are empty or truncated.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from './random.ts';

export interface LanWeather {
  /** The share of changing actions whose answer is lost. */
  readonly lostAnswers: number;
  readonly lostEvents: number;
  readonly doubledEvents: number;
  /** The share of events that the next one overtakes. */
  readonly lateEvents: number;
  /** The share of message lists that are empty or truncated. */
  readonly shortLists: number;
}

export const fairWeather: LanWeather = {
  lostAnswers: 0,
  lostEvents: 0,
  doubledEvents: 0,
  lateEvents: 0,
  shortLists: 0,
};

interface Exchange {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export class LanRoad {
  weather = fairWeather;
  readonly counts = { lostAnswers: 0, lostEvents: 0, doubledEvents: 0, lateEvents: 0, shortLists: 0 };
  readonly #random: Random;
  readonly #phonePort: number;
  #server: Server | undefined;
  #port = 0;
  #late: Exchange | undefined;

  constructor(phonePort: number, random: Random) {
    this.#phonePort = phonePort;
    this.#random = random;
  }

  /** Listens on the same port each time: the phone is on. */
  async open(): Promise<number> {
    if (this.#server !== undefined) return this.#port;
    const server = createServer((incoming, outgoing) => {
      void this.#pass(incoming).then(
        (answer) => {
          if (answer === undefined) {
            incoming.socket.destroy();
            return;
          }
          outgoing.writeHead(answer.status, answer.headers);
          outgoing.end(answer.body);
        },
        () => incoming.socket.destroy(),
      );
    });
    this.#server = server;
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  /** Refuses connections: the phone is off. */
  close(): void {
    this.#server?.close();
    this.#server?.closeAllConnections();
    this.#server = undefined;
  }

  async #pass(incoming: IncomingMessage) {
    const body = Buffer.concat(await incoming.toArray());
    const { method = 'GET', url = '/', headers } = incoming;
    if (url.startsWith(toCallback)) {
      await this.#passEvent({ method, url: new URL(decodeURIComponent(url.slice(toCallback.length))), headers, body });
      return { status: 200, headers: { 'content-length': 0 }, body: undefined };
    }
    const callback = /^<(.*)>$/.exec(String(headers.callback ?? ''))?.[1];
    const answer = await exchange({
      method,
      url: new URL(url, `http://127.0.0.1:${this.#phonePort}`),
      headers:
        callback === undefined
          ? headers
          : { ...headers, callback: `<http://127.0.0.1:${this.#port}${toCallback}${encodeURIComponent(callback)}>` },
      body,
    });
    const changes = /#(SendMessage|CreateSession|StartFileTransfer)"/.test(String(headers.soapaction ?? ''));
    if (changes && this.#happens('lostAnswers')) return undefined;
    const lists = answer.status === 200 && /#SearchMessages"/.test(String(headers.soapaction ?? ''));
    return lists && this.#happens('shortLists') ? this.#shorten(answer) : answer;
  }

  /** Like a phone that boots or runs out of memory: the envelope is complete, the list in it is not. */
  #shorten(answer: Answer): Answer {
    const whole = answer.body.toString();
    const list = /<MessageList>([\s\S]*)<\/MessageList>/.exec(whole)?.[1];
    if (list === undefined || list === '') return answer;
    const short = this.#random.pick([
      '',
      '&lt;messageList xmlns="urn:homeline:messaging:1"/&gt;',
      // Do not cut within an entity.
      list.slice(0, Math.floor(list.length * this.#random.next())).replace(/&[^;]*$/, ''),
    ]);
    const body = Buffer.from(whole.replace(list, () => short));
    return { ...answer, body, headers: { ...answer.headers, 'content-length': String(body.length) } };
  }

  /** Answers the phone's event immediately, whether it is forwarded or not. */
  async #passEvent(event: Exchange): Promise<void> {
    if (this.#happens('lostEvents')) return;
    const late = this.#late;
    this.#late = undefined;
    if (late === undefined && this.#happens('lateEvents')) {
      this.#late = event;
      return;
    }
    const copies = this.#happens('doubledEvents') ? [event, event] : [event];
    // The callback of an agent that has exited.
    for (const each of late === undefined ? copies : [...copies, late]) await exchange(each).catch(() => undefined);
  }

  #happens(what: keyof LanWeather): boolean {
    const does = this.weather[what] > 0 && this.#random.next() < this.weather[what];
    if (does) this.counts[what]++;
    return does;
  }
}

const toCallback = '/notify/';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function exchange({ method, url, headers, body }: Exchange) {
  return new Promise<Answer>((resolve, reject) => {
    const { connection: _, 'transfer-encoding': __, 'content-length': ___, ...rest } = headers;
    const length = body.length > 0 || method === 'POST' ? { 'content-length': String(body.length) } : {};
    const asked = request(
      url,
      { method, agent: false, headers: { ...rest, ...length, host: url.host, connection: 'close' } },
      (answer) => {
        answer.toArray().then((chunks: Buffer[]) => {
          const { connection: _, 'transfer-encoding': __, ...kept } = answer.headers;
          const whole = Buffer.concat(chunks);
          resolve({
            status: answer.statusCode ?? 502,
            headers: { ...kept, 'content-length': String(whole.length) },
            body: whole,
          });
        }, reject);
      },
    );
    asked.on('error', reject);
    asked.end(body);
  });
}
