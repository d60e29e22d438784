// The sessions of the home: chats, file transfers and others.
import { signal } from '@preact/signals';
import type { Session } from '../../../protocol/model.ts';
import type { SessionClass } from '../../../protocol/phone-model.ts';
import type { Api, ApiPage } from '../api.ts';
import { coalesced } from './coalesced.ts';
import type { HomeState } from './home.ts';

const pageSize = 100;

export type SessionStep = 'accept' | 'join' | 'leave' | 'close';

export interface SessionPlan {
  phone?: string;
  sessionClass: SessionClass;
  recipients: string[];
  subject?: string;
}

export interface SessionChange {
  addRecipients?: string[];
  removeRecipients?: string[];
  subject?: string;
}

export class SessionState {
  /** Undefined until the first answer. */
  readonly items = signal<readonly Session[] | undefined>(undefined);
  readonly next = signal<string | null>(null);
  readonly refresh = coalesced(() => this.#read());
  readonly #api: Api;
  readonly #home: HomeState;
  /** Events that arrived while the list was loading: newer than the list. */
  readonly #cameMeanwhile = new Map<string, Session>();

  constructor(api: Api, home: HomeState) {
    this.#api = api;
    this.#home = home;
  }

  stop(): void {
    this.items.value = undefined;
    this.next.value = null;
  }

  get(id: string): Session | undefined {
    return this.items.value?.find((session) => session.id === id);
  }

  /** Loads one session that the list may not contain yet. */
  async load(id: string): Promise<void> {
    this.put(await this.#api.get<Session>(this.#path(id)));
  }

  async loadMore(): Promise<void> {
    const cursor = this.next.value;
    if (cursor === null) return;
    const page = await this.#page(cursor);
    for (const session of page.items) this.put(session);
    this.next.value = page.next;
  }

  put(session: Session): void {
    this.#cameMeanwhile.set(session.id, session);
    this.items.value = [...(this.items.value ?? []).filter((known) => known.id !== session.id), session];
  }

  async create(plan: SessionPlan): Promise<Session> {
    const session = await this.#api.post<Session>(this.#path(), plan);
    this.put(session);
    return session;
  }

  async take(session: Session, step: SessionStep): Promise<void> {
    this.put(await this.#api.post<Session>(`${this.#path(session.id)}/${step}`));
  }

  async change(session: Session, change: SessionChange): Promise<void> {
    this.put(await this.#api.patch<Session>(this.#path(session.id), change));
  }

  async #read(): Promise<void> {
    this.#cameMeanwhile.clear();
    const page = await this.#page();
    const listed = page.items.filter((session) => !this.#cameMeanwhile.has(session.id));
    this.items.value = [...listed, ...this.#cameMeanwhile.values()];
    this.next.value = page.next;
  }

  #page(cursor?: string): Promise<ApiPage<Session>> {
    return this.#api.get(this.#path(), { limit: pageSize, cursor });
  }

  #path(id?: string): string {
    return this.#home.path(id === undefined ? '/sessions' : `/sessions/${encodeURIComponent(id)}`);
  }
}
