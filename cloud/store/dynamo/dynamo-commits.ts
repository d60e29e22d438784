// Commits: applies batches of writes and stores their events, in order for each home.
import type { HomeEvent } from '../../../protocol/model.ts';
import type { EventBody } from '../rules/change.ts';
import type { MessageWrite, Write } from '../store.ts';
import type { DynamoHomes } from './dynamo-homes.ts';
import type { DynamoMessages } from './dynamo-messages.ts';
import type { DynamoPhones } from './dynamo-phones.ts';
import type { DynamoSessions } from './dynamo-sessions.ts';
import type { DynamoUpkeep } from './dynamo-upkeep.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import { type Key, keys } from './keys.ts';
import type { StoredTold } from './stored.ts';

export interface CommitParts {
  records: HomeRecords;
  homes: DynamoHomes;
  phones: DynamoPhones;
  messages: DynamoMessages;
  sessions: DynamoSessions;
  upkeep: DynamoUpkeep;
}

export class DynamoCommits {
  readonly #parts: CommitParts;
  /** The last commit of each home that has one in flight. */
  readonly #lasts = new Map<string, Promise<unknown>>();
  /** Commits whose answers were lost: the next commit of the home finds out whether they happened. */
  readonly #unsure = new Map<string, readonly StoredTold[]>();

  constructor(parts: CommitParts) {
    this.#parts = parts;
  }

  /**
   * Commits one at a time for each home, in the order of the calls. @throws GatewayError `not-found`,
   * `store-unavailable`
   */
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

  /** Resolves when no commit is in flight. */
  async settle(): Promise<void> {
    while (this.#lasts.size > 0) await Promise.all(this.#lasts.values());
  }

  async #commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    const happened = await this.#recover(home);
    try {
      const { told } = await this.#parts.records.change(
        home,
        (batch) => this.#decide(batch, home, writes),
        (unsure) => happened.push(unsure),
      );
      this.#parts.upkeep.look(home);
      return [...happened, told].flatMap(({ events }) => events);
    } catch (error) {
      if (happened.length > 0) this.#unsure.set(home, happened);
      throw error;
    }
  }

  /**
   * The events of commits that were stored although their callers got `store-unavailable`. No watcher has seen them.
   */
  async #recover(home: string): Promise<StoredTold[]> {
    const unsure = this.#unsure.get(home);
    if (unsure === undefined) return [];
    const view = await this.#parts.records.open(home);
    const happened: StoredTold[] = [];
    for (const told of unsure) if (await view.hasHeardOf(told)) happened.push(told);
    this.#unsure.delete(home);
    return happened;
  }

  async #decide(batch: HomeBatch, home: string, writes: readonly Write[]): Promise<void> {
    this.#parts.upkeep.learnCountry(batch, writes);
    await batch.load(writes.flatMap((write) => this.#keysFor(home, write)));
    await batch.load(this.#parts.messages.furtherKeysFor(batch, home, writes.filter(isMessageWrite)));
    for (const write of writes) {
      const body = await this.#apply(batch, home, write);
      if (body !== undefined) batch.tell(body);
    }
  }

  #keysFor(home: string, write: Write): Key<unknown>[] {
    if (isMessageWrite(write)) return this.#parts.messages.keysFor(home, write);
    if (write.type === 'session.put') return [keys.session(home, write.id)];
    if (write.type === 'phone.status') return [keys.phone(home, write.phone.udn)];
    return [];
  }

  async #apply(batch: HomeBatch, home: string, write: Write): Promise<EventBody | undefined> {
    switch (write.type) {
      case 'message.put':
      case 'message.absent':
      case 'message.read':
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
      case 'home.change':
      case 'question.answer':
      case 'home.missing':
        return this.#parts.homes.apply(batch, write);
    }
  }
}

function isMessageWrite(write: Write): write is MessageWrite {
  return write.type.startsWith('message.') || write.type.startsWith('send.');
}
