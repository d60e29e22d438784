// The list of conversations, newest first, and how many messages are unread.
import { computed, signal } from '@preact/signals';
import type { Conversation, Message } from '../../../protocol/model.ts';
import type { Api, ApiPage } from '../api.ts';
import { conversationName } from '../text/parties.ts';
import { coalesced } from './coalesced.ts';
import type { HomeState } from './home.ts';

const pageSize = 50;
const largestPage = 200;

export class Conversations {
  /** Undefined until the first answer. */
  readonly items = signal<readonly Conversation[] | undefined>(undefined);
  readonly unread = signal(0);
  readonly next = signal<string | null>(null);
  readonly query = signal('');
  /** Search results from the whole store. */
  readonly found = signal<readonly Message[]>([]);
  readonly visible = computed(() => {
    const words = this.query.value.trim().toLocaleLowerCase();
    const items = this.items.value ?? [];
    return words === '' ? items : items.filter((item) => searchableText(item).includes(words));
  });
  /** Reloads the pages that are open. */
  readonly refresh = coalesced(() => this.#read());
  readonly #api: Api;
  readonly #home: HomeState;
  #searchTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(api: Api, home: HomeState) {
    this.#api = api;
    this.#home = home;
  }

  stop(): void {
    clearTimeout(this.#searchTimer);
    this.items.value = undefined;
    this.unread.value = 0;
    this.next.value = null;
    this.query.value = '';
    this.found.value = [];
  }

  get(key: string): Conversation | undefined {
    return this.items.value?.find((item) => item.key === key);
  }

  async loadMore(): Promise<void> {
    const cursor = this.next.value;
    if (cursor === null) return;
    const page = await this.#page(pageSize, cursor);
    if (this.next.value !== cursor) return;
    const known = new Set(this.items.value?.map((item) => item.key));
    this.items.value = [...(this.items.value ?? []), ...page.items.filter((item) => !known.has(item.key))];
    this.next.value = page.next;
  }

  /** Filters the list immediately and searches all messages after a debounce. */
  search(words: string, onFault: (fault: unknown) => void): void {
    this.query.value = words;
    clearTimeout(this.#searchTimer);
    if (words.trim() === '') {
      this.found.value = [];
      return;
    }
    this.#searchTimer = setTimeout(() => this.#find(words.trim()).catch(onFault), 200);
  }

  async #find(words: string): Promise<void> {
    const path = this.#home.path('/messages');
    const page = await this.#api.get<ApiPage<Message>>(path, { q: words, limit: 20 });
    if (this.query.value.trim() === words) this.found.value = page.items;
  }

  async #read(): Promise<void> {
    const limit = Math.min(largestPage, Math.max(pageSize, this.items.value?.length ?? 0));
    const page = await this.#page(limit);
    const known = new Set(page.items.map((item) => item.key));
    const beyond =
      page.next === null ? [] : (this.items.value ?? []).slice(limit).filter((item) => !known.has(item.key));
    this.items.value = [...page.items, ...beyond];
    if (beyond.length === 0) this.next.value = page.next;
    this.unread.value = page.unread;
  }

  #page(limit: number, cursor?: string): Promise<ApiPage<Conversation> & { unread: number }> {
    return this.#api.get(this.#home.path('/conversations'), { limit, cursor });
  }
}

function searchableText(conversation: Conversation): string {
  const addresses = conversation.parties.map((party) => party.address);
  return [conversationName(conversation), ...addresses, conversation.last.body ?? '', conversation.last.subject ?? '']
    .join('\n')
    .toLocaleLowerCase();
}
