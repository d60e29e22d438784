// Reads a home's server-sent events like a client, from the bytes of the stream (WHATWG HTML, 9.2).
import type { HomeEvent } from '../../protocol/model.ts';

export type EventOf<Type extends HomeEvent['type']> = HomeEvent & { type: Type };

interface Waiter {
  matches(event: HomeEvent): boolean;
  resolve(event: HomeEvent): void;
}

export class EventReader {
  readonly #controller: AbortController;
  readonly seen: HomeEvent[] = [];
  readonly #waiters = new Set<Waiter>();
  /** The id to resume from. */
  lastEventId = '';
  /** Resolves when either side ends the stream. */
  readonly ended: Promise<void>;

  private constructor(body: ReadableStream<Uint8Array>, controller: AbortController) {
    this.#controller = controller;
    this.ended = this.#read(body).catch(() => undefined);
  }

  static async open(url: string, token: string, lastEventId?: string): Promise<EventReader> {
    const controller = new AbortController();
    const answer = await fetch(url, {
      headers: { authorization: `Bearer ${token}`, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
      signal: controller.signal,
    });
    if (answer.status !== 200 || answer.body === null) throw new Error(`The events answered ${answer.status}.`);
    return new EventReader(answer.body, controller);
  }

  close(): void {
    this.#controller.abort();
  }

  /** The first past or future event of that type that `matches`; fails after ten seconds. */
  next<Type extends HomeEvent['type']>(
    type: Type,
    matches: (event: EventOf<Type>) => boolean = () => true,
  ): Promise<EventOf<Type>> {
    const fits = (event: HomeEvent): event is EventOf<Type> => event.type === type && matches(event as EventOf<Type>);
    const already = this.seen.find(fits);
    if (already !== undefined) return Promise.resolve(already);
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#waiters.delete(waiter);
        reject(new Error(`No ${type} came; seen: ${this.seen.map((event) => event.type).join(', ')}`));
      }, 10_000);
      const waiter: Waiter = {
        matches: fits,
        resolve: (event) => {
          clearTimeout(late);
          this.#waiters.delete(waiter);
          resolve(event as EventOf<Type>);
        },
      };
      this.#waiters.add(waiter);
    });
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of body.pipeThrough(new TextDecoderStream() as never) as unknown as AsyncIterable<string>) {
      text += chunk;
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) this.#take(block);
    }
  }

  #take(block: string): void {
    const lines = block.split('\n');
    const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
    const id = lines.find((line) => line.startsWith('id: '))?.slice(4);
    if (id !== undefined) this.lastEventId = id;
    if (data.length === 0) return;
    const event: HomeEvent = JSON.parse(data.join('\n'));
    this.seen.push(event);
    for (const waiter of [...this.#waiters]) if (waiter.matches(event)) waiter.resolve(event);
  }
}
