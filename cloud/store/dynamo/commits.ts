// Commits: what a batch of writes makes of what is stored, with the events that tell of it, in order for each home.
import { GatewayError } from '../../../protocol/errors.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import type { EventBody } from '../changes.ts';
import type { Write } from '../store.ts';
import type { Batch } from './batch.ts';
import type { DynamoEvents } from './events.ts';
import type { DynamoHomes } from './homes.ts';
import { type Key, keys } from './keys.ts';
import type { DynamoMessages, MessageWrite } from './messages.ts';
import type { DynamoPhones } from './phones.ts';
import type { Records } from './records.ts';
import type { DynamoSessions } from './sessions.ts';

export interface CommitParts {
  records: Records;
  homes: DynamoHomes;
  phones: DynamoPhones;
  messages: DynamoMessages;
  sessions: DynamoSessions;
  events: DynamoEvents;
}

export class DynamoCommits {
  readonly #parts: CommitParts;
  /** The last commit of each home that has one under way. */
  readonly #lasts = new Map<string, Promise<unknown>>();
  /** Events of a commit whose answer was lost: the next commit of the home finds out whether they happened. */
  readonly #unsure = new Map<string, readonly HomeEvent[]>();

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  /** One after the other for each home, in the order of the calls. Throws `not-found` and `store-unavailable`. */
  commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    const before = this.#lasts.get(home) ?? Promise.resolve();
    const commit = before.then(() => this.#commit(home, writes));
    const settled = commit
      .catch(() => undefined)
      .then(() => {
        if (this.#lasts.get(home) === settled) this.#lasts.delete(home);
      });
    this.#lasts.set(home, settled);
    return commit;
  }

  /** Resolves when none is under way. */
  async settle(): Promise<void> {
    while (this.#lasts.size > 0) await Promise.all(this.#lasts.values());
  }

  async #commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    const events = await this.#recover(home);
    await this.#parts.records.change(
      (batch) => this.#decide(batch, home, writes),
      (written) => events.push(...written),
      (unsure) => this.#unsure.set(home, [...events, ...unsure]),
    );
    return events;
  }

  /** What happened although its commit was told that the store did not answer: nobody has heard of it yet. */
  async #recover(home: string): Promise<HomeEvent[]> {
    const unsure = this.#unsure.get(home);
    if (unsure === undefined) return [];
    const happened = await this.#parts.events.stored(home, unsure);
    this.#unsure.delete(home);
    return happened;
  }

  async #decide(batch: Batch, home: string, writes: readonly Write[]): Promise<void> {
    const { messages, events } = this.#parts;
    await batch.load([keys.home(home), ...writes.flatMap((write) => this.#keysFor(home, write))]);
    if (!batch.has(keys.home(home))) throw new GatewayError('not-found', 'There is no such home.');
    await batch.load(messages.conversationKeysFor(batch, home, writes.filter(isMessageWrite)));
    for (const write of writes) {
      const body = await this.#apply(batch, home, write);
      if (body !== undefined) events.append(batch, home, body);
      batch.endStep();
    }
  }

  #keysFor(home: string, write: Write): Key<unknown>[] {
    if (isMessageWrite(write)) return this.#parts.messages.keysFor(home, write);
    if (write.type === 'session.put') return [keys.session(home, write.id)];
    if (write.type === 'phone.status') return [keys.phone(home, write.phone.udn)];
    return [];
  }

  async #apply(batch: Batch, home: string, write: Write): Promise<EventBody | undefined> {
    switch (write.type) {
      case 'message.put':
      case 'message.delete':
      case 'send.create':
      case 'send.move':
        return this.#parts.messages.apply(batch, home, write);
      case 'session.put':
        return this.#parts.sessions.apply(batch, home, write);
      case 'file.progress':
        return { type: 'file.progress', data: { ...write.file, phone: write.phone } };
      case 'phone.status':
        return this.#parts.phones.apply(batch, home, write);
      case 'home.updated':
        return { type: 'home.updated', data: { home } };
      case 'home.status':
        return this.#parts.homes.apply(batch, home, write);
    }
  }
}

function isMessageWrite(write: Write): write is MessageWrite {
  return (
    write.type === 'message.put' ||
    write.type === 'message.delete' ||
    write.type === 'send.create' ||
    write.type === 'send.move'
  );
}
