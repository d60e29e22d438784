import type { HomeEvent } from '../../protocol/model.ts';
import type { Clock } from './clock.ts';
import type { EventBody } from './rules/change.ts';
import { Cursors } from './rules/cursor.ts';
import { changeHome } from './rules/home-rules.ts';
import { SqliteEngine } from './sqlite/engine.ts';
import { SqliteConversations } from './sqlite/sqlite-conversations.ts';
import { SqliteEvents } from './sqlite/sqlite-events.ts';
import { SqliteHomes } from './sqlite/sqlite-homes.ts';
import { SqliteMessages } from './sqlite/sqlite-messages.ts';
import { SqlitePhones } from './sqlite/sqlite-phones.ts';
import { SqliteRequests } from './sqlite/sqlite-requests.ts';
import { SqliteSessions } from './sqlite/sqlite-sessions.ts';
import { SqliteTokens } from './sqlite/sqlite-tokens.ts';
import { SqliteUpkeep, type UpkeepReport } from './sqlite/sqlite-upkeep.ts';
import type { Durability, Store, Write } from './store.ts';

const pruneEveryMs = 60_000;

export class SqliteStore implements Store {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;
  readonly homes: SqliteHomes;
  readonly tokens: SqliteTokens;
  readonly phones: SqlitePhones;
  readonly conversations: SqliteConversations;
  readonly messages: SqliteMessages;
  readonly sessions: SqliteSessions;
  readonly events: SqliteEvents;
  readonly requests: SqliteRequests;
  readonly #upkeep: SqliteUpkeep;
  readonly #cursors = new Cursors();
  #id = '';
  #pruning: NodeJS.Timeout | undefined;

  /** `path`: of the database file; the store creates a missing folder. */
  constructor(options: { path: string; clock?: Clock; report?: UpkeepReport }) {
    const clock = options.clock ?? Date;
    const engine = new SqliteEngine(options.path);
    this.#engine = engine;
    this.#clock = clock;
    this.homes = new SqliteHomes(engine);
    this.tokens = new SqliteTokens(engine, clock);
    this.phones = new SqlitePhones(engine, this.homes, clock);
    this.conversations = new SqliteConversations(engine, this.homes, this.#cursors);
    this.messages = new SqliteMessages(engine, {
      homes: this.homes,
      phones: this.phones,
      conversations: this.conversations,
      cursors: this.#cursors,
    });
    this.sessions = new SqliteSessions(engine, this.#cursors, clock);
    this.events = new SqliteEvents(engine, clock);
    this.requests = new SqliteRequests(engine, clock);
    this.#upkeep = new SqliteUpkeep(engine, this.homes, this.conversations, options.report);
  }

  get id(): string {
    return this.#id;
  }

  async start(): Promise<void> {
    this.#engine.open();
    this.#id = this.#meta('id');
    this.#cursors.secret = this.#meta('cursor-secret');
    // A failed pruning is repeated in a minute; callers that write see the failure of the store.
    this.#pruning ??= setInterval(() => this.prune().catch(() => {}), pruneEveryMs).unref();
    this.#upkeep.start();
  }

  async stop(): Promise<void> {
    clearInterval(this.#pruning);
    this.#pruning = undefined;
    await this.#upkeep.stop();
    this.#engine.close();
  }

  ping(): Promise<void> {
    return this.#engine.probe();
  }

  /** Deletes events, requests and tokens that have expired. A timer calls it every minute. */
  prune(): Promise<void> {
    return this.#engine.write(() => {
      this.events.prune();
      this.requests.prune();
      this.tokens.prune();
    });
  }

  async commit(home: string, writes: readonly Write[], durability?: Durability): Promise<HomeEvent[]> {
    const events = await this.#engine.write(() => {
      this.homes.require(home);
      this.#upkeep.learnCountry(home, writes);
      const bodies = writes.map((write) => this.#apply(home, write)).filter((body) => body !== undefined);
      return this.events.append(home, bodies);
    }, durability);
    this.#upkeep.look(home);
    return events;
  }

  /** Resolves when no home holds records in the form of an earlier version. */
  upkeep(): Promise<void> {
    return this.#upkeep.settled();
  }

  #apply(home: string, write: Write): EventBody | undefined {
    switch (write.type) {
      case 'message.put':
      case 'message.absent':
      case 'message.read':
      case 'message.delete':
      case 'send.create':
      case 'send.move':
        return this.messages.apply(home, write);
      case 'session.put':
        return this.sessions.put(home, write);
      case 'file.progress':
        return { type: 'file.progress', data: { ...write.file, phone: write.phone } };
      case 'phone.status':
        return this.phones.setStatus(home, write);
      case 'home.updated':
        return { type: 'home.updated', data: { home } };
      case 'home.status':
      case 'home.change':
      case 'question.answer':
      case 'home.missing': {
        const current = this.homes.require(home);
        const change = changeHome(current, write, this.#clock.now());
        if (change !== undefined) this.homes.update(change.next);
        return change?.event;
      }
    }
  }

  #meta(name: string): string {
    return this.#engine.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value ?? '';
  }
}
