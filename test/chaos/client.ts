// The users' side: clients that send by REST and retry unanswered requests, and readers that follow the events.
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { HomeEvent, Message } from '../../protocol/model.ts';

export interface Cloud {
  readonly url: string;
  readonly token: string;
}

/** One message that a client sends. */
export interface SentLetter {
  readonly to: string;
  readonly number: number;
  readonly body: string;
  /** Undefined if the client got no acceptance from the cloud. */
  id?: string;
  /** The time until the answer. */
  tookMs?: number;
}

const requestMs = 20_000;
const againMs = 200;

export async function ask<Body>(cloud: Cloud, path: string): Promise<Body> {
  const answer = await fetch(`${cloud.url}/v1/homes/home${path}`, {
    headers: { authorization: `Bearer ${cloud.token}` },
    signal: AbortSignal.timeout(requestMs),
  });
  if (!answer.ok) throw new Error(`GET ${path} answered ${answer.status}`);
  return (await answer.json()) as Body;
}

/** All messages of the cloud. */
export async function allMessages(cloud: Cloud): Promise<Message[]> {
  const messages: Message[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const at: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
    const page: { items: Message[]; next: string | null } = await ask(cloud, `/messages?limit=200${at}`);
    messages.push(...page.items);
    cursor = page.next;
  }
  return messages;
}

/**
 * Sends messages to one address, one at a time, at most one per `paceMs`, until `isOver`. Retries an unanswered request
 * with its Idempotency-Key.
 */
export async function writeTo(
  cloud: Cloud,
  to: string,
  options: { paceMs: number; isOver(): boolean; mayRepeat(): boolean },
): Promise<SentLetter[]> {
  const letters: SentLetter[] = [];
  const begunMs = performance.now();
  for (let number = 1; !options.isOver(); number++) {
    const letter: SentLetter = { to, number, body: `${to} ${number}` };
    letters.push(letter);
    const askedMs = performance.now();
    const id = await post(cloud, letter, options.mayRepeat);
    letter.tookMs = Math.round(performance.now() - askedMs);
    if (id !== undefined) letter.id = id;
    await pause(Math.max(0, begunMs + number * options.paceMs - performance.now()));
  }
  return letters;
}

async function post(cloud: Cloud, { to, body }: SentLetter, mayRepeat: () => boolean): Promise<string | undefined> {
  const key = randomUUID();
  do {
    try {
      const answer = await fetch(`${cloud.url}/v1/homes/home/messages`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${cloud.token}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify({ messageClass: 'SMS', to: [to], body }),
        signal: AbortSignal.timeout(requestMs),
      });
      const said = (await answer.json()) as { id?: string; resource?: string };
      // A problem that names the stored message is an answer too.
      const id = answer.ok ? said.id : said.resource;
      if (id !== undefined) return id;
      if (![409, 429, 500, 502, 503, 504].includes(answer.status)) return undefined;
    } catch {
      // The cloud is down, or crashed before it answered.
    }
    await pause(againMs);
  } while (mayRepeat());
  return undefined;
}

/** Follows the home's events, and resumes with the last id when the stream breaks off. */
export class Reader {
  readonly events: HomeEvent[] = [];
  resets = 0;
  readonly #cloud: Cloud;
  readonly #way: 'sse' | 'websocket';
  readonly #ending = new AbortController();
  #lastId: string;

  constructor(cloud: Cloud, way: 'sse' | 'websocket', after: string) {
    this.#cloud = cloud;
    this.#way = way;
    this.#lastId = after;
  }

  async follow(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      await (this.#way === 'sse' ? this.#stream() : this.#socket()).catch(() => undefined);
      await pause(againMs);
    }
  }

  stop(): void {
    this.#ending.abort();
  }

  async #stream(): Promise<void> {
    const answer = await fetch(`${this.#cloud.url}/v1/homes/home/events`, {
      headers: { authorization: `Bearer ${this.#cloud.token}`, 'last-event-id': this.#lastId },
      signal: this.#ending.signal,
    });
    if (answer.body === null || !answer.ok) throw new Error(`The events answered ${answer.status}.`);
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of answer.body) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data !== undefined) this.#take(JSON.parse(data));
      }
    }
  }

  #socket(): Promise<void> {
    const url = `${this.#cloud.url.replace(/^http/, 'ws')}/v1/homes/home/events/ws?after=${this.#lastId}`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${this.#cloud.token}` } });
    const stop = () => socket.terminate();
    this.#ending.signal.addEventListener('abort', stop);
    return new Promise((resolve) => {
      socket.on('message', (data) => this.#take(JSON.parse(data.toString())));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#ending.signal.removeEventListener('abort', stop);
        resolve();
      });
    });
  }

  #take(event: HomeEvent | { type: 'reset'; id: string }): void {
    this.#lastId = event.id;
    if (event.type === 'reset') this.resets++;
    else this.events.push(event);
  }
}
