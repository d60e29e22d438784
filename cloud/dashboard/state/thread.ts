// The messages of one conversation, oldest first; scrolling up loads older pages.
import { computed, type Signal, signal } from '@preact/signals';
import type { Message } from '../../../protocol/model.ts';
import type { Api, ApiPage, Query } from '../api.ts';
import { conversationKeyOf } from '../text/parties.ts';
import { coalesced } from './coalesced.ts';

const pageSize = 50;
/** Pages to search for one message before giving up. */
const furthestPages = 20;

export class Thread {
  /** The conversation's key. */
  readonly key: string;
  /** The cloud's canonical key: differs if this key was typed or is an old bookmark. */
  readonly presentKey: Signal<string>;
  /** Undefined until the first answer. */
  readonly messages = signal<readonly Message[] | undefined>(undefined);
  readonly fault = signal<unknown>(undefined);
  readonly next = signal<string | null>(null);
  readonly hasOlder = computed(() => this.next.value !== null);
  /** Reloads the newest page and keeps the older ones. */
  readonly refresh = coalesced(() => this.#read());
  readonly #api: Api;
  readonly #path: string;
  readonly #filter: Query;
  /** Events that arrived while the newest page was loading: newer than the page. */
  readonly #cameMeanwhile = new Set<string>();
  #olderPage: Promise<void> | undefined;

  constructor(api: Api, key: string, path: string, filter: Query) {
    this.#api = api;
    this.key = key;
    this.presentKey = signal(key);
    this.#path = path;
    this.#filter = filter;
  }

  /** Whether the key belongs to this conversation. */
  isOf(key: string): boolean {
    return key === this.key || key === this.presentKey.value;
  }

  learnKey(key: string): void {
    this.presentKey.value = key;
  }

  /** Adds or replaces a message if it belongs to this conversation. */
  put(message: Message): void {
    if (!this.isOf(conversationKeyOf(message))) return;
    this.#cameMeanwhile.add(message.id);
    this.messages.value = distinct([...(this.messages.value ?? []), message]);
  }

  remove(id: string): void {
    this.messages.value = this.messages.value?.filter((message) => message.id !== id);
  }

  has(id: string): boolean {
    return this.messages.value?.some((message) => message.id === id) ?? false;
  }

  loadOlder(): Promise<void> {
    this.#olderPage ??= this.#readOlder().finally(() => {
      this.#olderPage = undefined;
    });
    return this.#olderPage;
  }

  /** Loads older pages until the message is found; returns whether it was. */
  async reach(id: string): Promise<boolean> {
    for (let pages = 0; !this.has(id) && this.next.value !== null && pages < furthestPages; pages++) {
      await this.loadOlder();
    }
    return this.has(id);
  }

  async #readOlder(): Promise<void> {
    const cursor = this.next.value;
    if (cursor === null) return;
    const page = await this.#page(cursor);
    this.messages.value = distinct([...page.items, ...(this.messages.value ?? [])]);
    this.next.value = page.next;
  }

  async #read(): Promise<void> {
    this.#cameMeanwhile.clear();
    try {
      const page = await this.#page();
      const oldest = page.items.at(-1)?.id;
      const known = this.messages.value ?? [];
      const older = page.next === null || oldest === undefined ? [] : known.filter((message) => message.id < oldest);
      // Within its span the page is complete: a message that it lacks was deleted.
      const newer = known.filter((message) => this.#cameMeanwhile.has(message.id) && !older.includes(message));
      this.messages.value = distinct([...older, ...page.items, ...newer]);
      if (older.length === 0) this.next.value = page.next;
      this.fault.value = undefined;
    } catch (fault) {
      this.fault.value = fault;
    }
  }

  async #page(cursor?: string): Promise<ApiPage<Message>> {
    const query = { ...this.#filter, limit: pageSize, cursor };
    const { items, next } = await this.#api.get<ApiPage<Message>>(this.#path, query);
    // The empty key (a withheld number) filters nothing in the API.
    if (this.key === '') return { items: items.filter((message) => conversationKeyOf(message) === ''), next };
    const [newest] = items;
    if (newest !== undefined) this.learnKey(conversationKeyOf(newest));
    return { items, next };
  }
}

/**
 * Merges messages: the later of two with the same id wins. Ordered by id, a ULID of the time when the message was first
 * seen, as in the API's pages.
 */
function distinct(messages: readonly Message[]): Message[] {
  const byId = new Map(messages.map((message) => [message.id, message]));
  return [...byId.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
}
