// SqliteStore: the embedded Store, one file on this machine's disk. Each part of it is a file in sqlite/.
import type { InventoryItem, PhonePresence } from '../../protocol/frames.ts';
import type { Conversation, HomeEvent, Message, MessageState, Session } from '../../protocol/model.ts';
import { type EventBody, setHomeStatus } from './changes.ts';
import { changeHome, isHomeWrite } from './home-changes.ts';
import { SqliteConversations } from './sqlite/conversations.ts';
import { SqliteEngine } from './sqlite/engine.ts';
import { SqliteEvents } from './sqlite/events.ts';
import { SqliteHomes } from './sqlite/homes.ts';
import { SqliteMessages } from './sqlite/messages.ts';
import { SqlitePhones } from './sqlite/phones.ts';
import { SqliteRequests } from './sqlite/requests.ts';
import { SqliteSessions } from './sqlite/sessions.ts';
import { SqliteTokens } from './sqlite/tokens.ts';
import { SqliteUpkeep, type UpkeepReport } from './sqlite/upkeep.ts';
import type {
  BegunRequest,
  Clock,
  HomeRecord,
  MessageFilter,
  MessageRecord,
  MissingMessage,
  Page,
  PageRequest,
  PhoneRecord,
  SessionFilter,
  Store,
  TokenKind,
  TokenRecord,
  Write,
} from './store.ts';

const pruneEveryMs = 60_000;

export class SqliteStore implements Store {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;
  readonly #homes: SqliteHomes;
  readonly #tokens: SqliteTokens;
  readonly #phones: SqlitePhones;
  readonly #conversations: SqliteConversations;
  readonly #messages: SqliteMessages;
  readonly #sessions: SqliteSessions;
  readonly #events: SqliteEvents;
  readonly #requests: SqliteRequests;
  readonly #upkeep: SqliteUpkeep;
  #id = '';
  #cursorSecret = '';
  #pruning: NodeJS.Timeout | undefined;

  /** `path`: of the database file; its folder is made if it is not there. */
  constructor(options: { path: string; clock?: Clock; report?: UpkeepReport }) {
    const clock = options.clock ?? Date;
    const engine = new SqliteEngine(options.path);
    this.#engine = engine;
    this.#clock = clock;
    this.#homes = new SqliteHomes(engine);
    this.#tokens = new SqliteTokens(engine, clock);
    this.#phones = new SqlitePhones(engine, clock);
    this.#conversations = new SqliteConversations(engine, this.#homes);
    this.#messages = new SqliteMessages(engine, this.#homes, this.#conversations);
    this.#sessions = new SqliteSessions(engine, clock);
    this.#events = new SqliteEvents(engine, clock);
    this.#requests = new SqliteRequests(engine, clock);
    this.#upkeep = new SqliteUpkeep(engine, this.#homes, this.#conversations, options.report);
  }

  get id(): string {
    return this.#id;
  }

  async start(): Promise<void> {
    this.#engine.open();
    this.#id = this.#meta('id');
    this.#cursorSecret = this.#meta('cursor-secret');
    // What could not be pruned now can be in a minute; a store that fails says so to whoever writes.
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
    return this.#engine.prove();
  }

  /** Forgets what is no longer to be kept; happens by itself every minute. */
  prune(): Promise<void> {
    return this.#engine.write(() => {
      this.#events.prune();
      this.#requests.prune();
      this.#tokens.prune();
    });
  }

  createHome(home: { id: string; account: string; name: string; owner: string }): Promise<void> {
    return this.#homes.create(home);
  }

  async homesOf(account: string): Promise<string[]> {
    return this.#homes.of(account);
  }

  async getHome(home: string): Promise<HomeRecord | undefined> {
    return this.#homes.get(home);
  }

  createToken(token: TokenRecord): Promise<void> {
    return this.#tokens.create(token);
  }

  async findToken(hash: string): Promise<TokenRecord | undefined> {
    return this.#tokens.find(hash);
  }

  async listTokens(account: string, filter: { kind: TokenKind; home?: string }): Promise<TokenRecord[]> {
    return this.#tokens.list(account, filter);
  }

  revokeToken(account: string, id: string): Promise<boolean> {
    return this.#tokens.revoke(account, id);
  }

  touchToken(account: string, id: string, usedMs: number): Promise<void> {
    return this.#tokens.touch(account, id, usedMs);
  }

  barSecret(hash: string): Promise<void> {
    return this.#tokens.bar(hash);
  }

  async isBarred(hash: string): Promise<boolean> {
    return this.#tokens.isBarred(hash);
  }

  takeToken(hash: string): Promise<TokenRecord | undefined> {
    return this.#tokens.take(hash);
  }

  putPhones(home: string, phones: readonly PhonePresence[]): Promise<PhoneRecord[]> {
    return this.#engine.write(() => {
      this.#homes.require(home);
      return this.#phones.see(home, phones);
    });
  }

  async listPhones(home: string): Promise<PhoneRecord[]> {
    return this.#phones.list(home);
  }

  async getPhone(home: string, id: string): Promise<PhoneRecord | undefined> {
    return this.#phones.get(home, id);
  }

  approvePhone(home: string, id: string, approved: boolean, change?: string): Promise<PhoneRecord | undefined> {
    return this.#engine.write(() => this.#phones.approve(home, id, approved, change));
  }

  async commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    const events = await this.#engine.write(() => {
      this.#homes.require(home);
      this.#upkeep.learnCountry(home, writes);
      const bodies = writes.map((write) => this.#apply(home, write)).filter((body) => body !== undefined);
      return this.#events.append(home, bodies);
    });
    this.#upkeep.look(home);
    return events;
  }

  /** Resolves when everything that an earlier version stored is as this one would store it. */
  upkeep(): Promise<void> {
    return this.#upkeep.settled();
  }

  async getMessage(home: string, id: string): Promise<MessageRecord | undefined> {
    return this.#messages.get(home, id);
  }

  async listMessages(home: string, filter: MessageFilter, page: PageRequest): Promise<Page<Message>> {
    return this.#messages.list(this.#cursorSecret, home, filter, page);
  }

  async listConversations(home: string, page: PageRequest): Promise<Page<Conversation>> {
    return this.#conversations.list(this.#cursorSecret, home, page);
  }

  async countUnread(home: string): Promise<number> {
    return this.#conversations.countUnread(home);
  }

  async openSends(home: string, states: readonly MessageState[], limit: number): Promise<MessageRecord[]> {
    return this.#messages.openSends(home, states, limit);
  }

  async inventory(
    home: string,
    phone: string,
    page: { after?: string | undefined; limit: number },
  ): Promise<{ items: InventoryItem[]; next?: string }> {
    const record = this.#phones.get(home, phone);
    return record === undefined ? { items: [] } : this.#messages.inventory(home, record, page);
  }

  async missingFrom(home: string, phone: string): Promise<{ listed: number; missing: MissingMessage[] }> {
    return this.#messages.missingFrom(home, phone);
  }

  async olderThan(home: string, beforeMs: number, page: { after: string; limit: number }): Promise<MessageRecord[]> {
    return this.#messages.olderThan(home, beforeMs, page);
  }

  async getSession(home: string, id: string): Promise<Session | undefined> {
    return this.#sessions.get(home, id);
  }

  async listSessions(home: string, filter: SessionFilter, page: PageRequest): Promise<Page<Session>> {
    return this.#sessions.list(this.#cursorSecret, home, filter, page);
  }

  async eventsAfter(home: string, after: string, limit: number): Promise<HomeEvent[] | undefined> {
    return this.#events.after(home, after, limit);
  }

  beginRequest(scope: string, key: string, fingerprint: string): Promise<BegunRequest> {
    return this.#requests.begin(scope, key, fingerprint);
  }

  finishRequest(scope: string, key: string, answer: { status: number; body: string }): Promise<void> {
    return this.#requests.finish(scope, key, answer);
  }

  releaseRequest(scope: string, key: string): Promise<void> {
    return this.#requests.release(scope, key);
  }

  abandonRequest(scope: string, key: string): Promise<void> {
    return this.#requests.abandon(scope, key);
  }

  #apply(home: string, write: Write): EventBody | undefined {
    switch (write.type) {
      case 'message.put':
      case 'message.absent':
      case 'message.read':
      case 'message.delete':
      case 'send.create':
      case 'send.move':
        return this.#messages.apply(home, write);
      case 'session.put':
        return this.#sessions.put(home, write);
      case 'file.progress':
        return { type: 'file.progress', data: { ...write.file, phone: write.phone } };
      case 'phone.status':
        return this.#phones.setStatus(home, write);
      case 'home.updated':
        return { type: 'home.updated', data: { home } };
      case 'home.status':
      case 'home.change':
      case 'question.answer':
      case 'home.missing': {
        const current = this.#homes.require(home);
        const nowMs = this.#clock.now();
        const change = isHomeWrite(write) ? changeHome(current, write, nowMs) : setHomeStatus(current, write, nowMs);
        if (change !== undefined) this.#homes.update(change.next);
        return change?.event;
      }
    }
  }

  #meta(name: string): string {
    return this.#engine.get<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)?.value ?? '';
  }
}
