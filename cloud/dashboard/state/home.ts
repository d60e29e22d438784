// The current home, its phones, and the other homes of the account.
import { computed, signal } from '@preact/signals';
import type { Home, HomeEvent, Phone, Question } from '../../../protocol/model.ts';
import type { Capabilities, MessageClass, Party } from '../../../protocol/phone-model.ts';
import type { Api, ApiPage } from '../api.ts';
import { coalesced } from './coalesced.ts';

const chosenKey = 'homeline.home';
/** Poll: a full disk cannot store an event about itself, and a hibernating host checks a silent agent only when asked. */
const lookMs = 8_000;
const everyClass: readonly MessageClass[] = ['SMS', 'MMS', 'e-Mail', 'Instant Message'];

export class HomeState {
  readonly all = signal<readonly Home[]>([]);
  readonly #chosen = signal(localStorage.getItem(chosenKey));
  readonly current = computed(() => this.all.value.find((home) => home.id === this.#chosen.value) ?? this.all.value[0]);
  readonly phones = computed(() => this.current.value?.phones ?? []);
  readonly approvedPhones = computed(() => this.phones.value.filter((phone) => phone.approved));
  /** When each phone last came online or went offline while this page was open. */
  readonly phoneSince = signal<ReadonlyMap<string, string>>(new Map());
  /** Reloads the current home and its phones. */
  readonly refresh = coalesced(() => this.#read());
  /** The phones' own addresses, as far as they are known. */
  readonly addresses = signal<ReadonlyMap<string, ReadonlySet<string>>>(new Map());
  readonly #api: Api;
  #changes = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(api: Api) {
    this.#api = api;
  }

  /** The API path of the current home. */
  path(rest = ''): string {
    const home = this.current.value;
    if (home === undefined) throw new Error('This account has no home yet.');
    return `/v1/homes/${encodeURIComponent(home.id)}${rest}`;
  }

  async load(): Promise<void> {
    this.all.value = (await this.#api.get<ApiPage<Home>>('/v1/homes')).items;
  }

  /** Polls the home while the page is visible. */
  start(): void {
    this.#timer ??= setInterval(() => {
      // Ignore faults here: the live connection shows an unreachable cloud.
      if (document.visibilityState === 'visible') this.refresh().catch(() => undefined);
    }, lookMs);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  choose(id: string): void {
    localStorage.setItem(chosenKey, id);
    this.#chosen.value = id;
  }

  phone(id: string | null): Phone | undefined {
    return this.phones.value.find((phone) => phone.id === id);
  }

  /** The classes that a phone can send outside a session; all while its capabilities are unknown. */
  sendableClasses(phone: Phone | undefined): readonly MessageClass[] {
    const able = phone?.capabilities?.classes.filter((entry) => entry.pageMode).map((entry) => entry.messageClass);
    return able === undefined || able.length === 0 ? everyClass : able;
  }

  async approve(phone: Phone, approved: boolean): Promise<void> {
    const { changed } = phone;
    const seen = approved && changed !== undefined ? { changed: changed.id } : undefined;
    try {
      await this.#api.post(this.path(`/phones/${phone.id}/${approved ? 'approve' : 'revoke'}`), seen);
    } finally {
      // A conflict means that the phone changed again: reload, so that the next answer is to the current question.
      await this.refresh();
    }
  }

  async change(settings: Partial<Pick<Home, 'name' | 'keep' | 'keepDays' | 'country'>>): Promise<void> {
    this.#put(await this.#api.patch<Home>(this.path(), settings));
  }

  async answer(question: Question, answer: 'keep' | 'delete'): Promise<void> {
    try {
      this.#put(await this.#api.post<Home>(this.path(`/questions/${question.id}`), { answer }));
    } catch (fault) {
      // The question may have changed: reload, so that the next answer is to the current one.
      await this.refresh();
      throw fault;
    }
  }

  /** Loads a phone's own addresses once. */
  async loadAddresses(phone: Phone): Promise<void> {
    if (this.addresses.value.has(phone.id)) return;
    const { items } = await this.#api.get<ApiPage<Party>>(this.path(`/phones/${phone.id}/identity`));
    const addresses = new Set(items.map((party) => party.address));
    this.addresses.value = new Map(this.addresses.value).set(phone.id, addresses);
  }

  /** Applies an event; returns whether it was about the home or a phone. */
  follow(event: HomeEvent): boolean {
    const home = this.current.value;
    if (home === undefined) return false;
    switch (event.type) {
      case 'home.online':
        this.#put({ ...home, online: true, since: event.data.since });
        return true;
      case 'home.offline': {
        // The event does not contain the number of dead letters.
        const { deadLetters: _, ...rest } = home;
        this.#put({ ...rest, online: false, since: event.data.since });
        return true;
      }
      case 'phone.online':
      case 'phone.offline': {
        const others = home.phones.filter((phone) => phone.id !== event.data.id);
        this.#put({ ...home, phones: [...others, event.data] });
        this.phoneSince.value = new Map(this.phoneSince.value).set(event.data.id, event.time);
        return true;
      }
      case 'home.updated':
        // Ignore faults here: everything is reloaded when the connection is back.
        this.refresh().catch(() => undefined);
        return true;
      default:
        return false;
    }
  }

  async #read(): Promise<void> {
    for (;;) {
      const changes = this.#changes;
      const home = await this.#api.get<Home>(this.path());
      // An event that arrived during the request is newer than its answer.
      if (changes !== this.#changes) continue;
      this.#put(home);
      return;
    }
  }

  #put(home: Home): void {
    this.#changes++;
    const phones = [...home.phones].sort(
      (one, other) => one.name.localeCompare(other.name) || (one.id < other.id ? -1 : 1),
    );
    this.all.value = this.all.value.map((known) => (known.id === home.id ? { ...home, phones } : known));
  }
}

/** A phone's capabilities for one message class. */
export function capabilityFor(
  phone: Phone | undefined,
  messageClass: MessageClass,
): Capabilities['classes'][number] | undefined {
  return phone?.capabilities?.classes.find((entry) => entry.messageClass === messageClass);
}
