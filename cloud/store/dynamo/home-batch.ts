// One decision about a home: the records read, their changes, and the events.
import { randomBytes } from 'node:crypto';
import { GatewayError } from '../../../protocol/errors.ts';
import type { HomeEvent } from '../../../protocol/model.ts';
import { nextUlid } from '../../../shared/ulid.ts';
import type { HomeRecord } from '../home-store.ts';
import type { EventBody } from '../rules/change.ts';
import type { Keying } from '../rules/conversation-rules.ts';
import type { HomeView, Standing } from './home-view.ts';
import { isPossible, type Key } from './keys.ts';
import type { StoredChange, StoredHome, StoredTold } from './stored.ts';

export class HomeBatch {
  readonly view: HomeView;
  /** Has a random id of this decision, by which a lost commit is recognised. */
  readonly told: StoredTold = { by: randomBytes(6).toString('base64url'), events: [] };
  readonly #before: StoredHome;
  readonly #known = new Map<string, Standing>();
  /** Undefined drops the change. */
  readonly #changes = new Map<string, StoredChange | undefined>();
  #home: HomeRecord;
  #lastEvent: string;
  unread: number;
  open: number;
  /** Whether a message that was on a phone was ever deleted. */
  hasDeleted: boolean;
  #keying: Keying | undefined;
  /** Whether a message was deleted, whose text must leave the table at once. */
  isErasing = false;

  constructor(view: HomeView, before: StoredHome) {
    this.view = view;
    this.#before = before;
    this.#home = before.home;
    this.#lastEvent = before.lastEvent;
    this.unread = before.unread;
    this.open = before.open;
    this.hasDeleted = before.hasDeleted === true;
    this.#keying = before.keying;
  }

  get home(): HomeRecord {
    return this.#home;
  }

  set home(home: HomeRecord) {
    this.#home = home;
  }

  get keying(): Keying {
    return this.#keying ?? {};
  }

  set keying(keying: Keying) {
    this.#keying = keying;
  }

  /** Reads the records that have not been read yet. */
  async load(keys: readonly Key<unknown>[]): Promise<void> {
    const missing = keys.filter(({ sk }) => !this.#known.has(sk));
    if (missing.length === 0) return;
    for (const [sk, standing] of await this.view.standing(missing)) this.#known.set(sk, standing);
  }

  /** Saves the read of a record that cannot exist. */
  assumeNew(key: Key<unknown>): void {
    if (!this.#known.has(key.sk)) this.#known.set(key.sk, { revision: 0, data: undefined, isNew: true });
  }

  /** The record as the batch will leave it. Load it first. */
  get<Data>(key: Key<Data>): Data | undefined {
    return this.#find(key).data as Data | undefined;
  }

  put<Data>(key: Key<Data>, data: Data): void {
    this.#set(key, data);
  }

  delete(key: Key<unknown>): void {
    this.#set(key, undefined);
  }

  /**
   * Deletes without a trace: a record that was never written to its item leaves none. A late commit may restore it, so
   * use it only where a leftover is harmless.
   */
  drop(key: Key<unknown>): void {
    const { isNew } = this.#find(key);
    this.#set(key, undefined);
    if (isNew) this.#changes.set(key.sk, undefined);
  }

  /** Adds an event with the next id. */
  tell(body: EventBody): void {
    const { nowMs } = this.view;
    const id = nextUlid(this.#lastEvent, nowMs);
    const event: HomeEvent = { id, home: this.view.home, time: new Date(nowMs).toISOString(), ...body };
    this.told.events.push(event);
    this.#lastEvent = id;
  }

  /** The records read or changed by the batch whose sort keys begin with that of `prefix`. */
  *known<Data>(prefix: Key<Data>): Generator<Data> {
    for (const [sk, { data }] of this.#known) if (sk.startsWith(prefix.sk) && data !== undefined) yield data as Data;
  }

  get isEmpty(): boolean {
    return this.#changes.size === 0 && this.told.events.length === 0 && this.#isHomeSame;
  }

  get #isHomeSame(): boolean {
    return this.#before.home === this.#home && this.#before.keying === this.#keying;
  }

  /** The sort keys of the changed records. */
  get touched(): ReadonlySet<string> {
    return new Set(this.#changes.keys());
  }

  /** The new head: with the changes that it carried before, or with this batch alone once those are in their items. */
  head(carries: 'all' | 'this'): StoredHome {
    const { changes: before, told, paged, lastEvent } = this.#before;
    const changes = carries === 'all' ? { ...before } : {};
    for (const [sk, change] of this.#changes) {
      if (change === undefined) delete changes[sk];
      else changes[sk] = change;
    }
    const mine = this.told.events.length === 0 ? [] : [this.told];
    return {
      home: this.#home,
      unread: this.unread,
      open: this.open,
      ...(this.hasDeleted && { hasDeleted: true }),
      ...(this.#keying !== undefined && { keying: this.#keying }),
      lastEvent: this.#lastEvent,
      paged: carries === 'all' ? paged : lastEvent,
      changes,
      told: carries === 'all' ? [...told, ...mine] : mine,
    };
  }

  /** @throws GatewayError `invalid-request` for an impossible key: a head that carried it could never be emptied */
  #set(key: Key<unknown>, data: unknown): void {
    if (!isPossible(key)) throw new GatewayError('invalid-request', 'An identifier is too long, or no text.');
    const { isNew, blob } = this.#find(key);
    const revision = this.view.head.revision + 1;
    this.#changes.set(key.sk, {
      revision,
      ...(data !== undefined && { data }),
      ...(isNew && { isNew }),
      ...(blob !== undefined && { blob }),
    });
    this.#known.set(key.sk, { revision, data, isNew, ...(blob !== undefined && { blob }) });
  }

  #find(key: Key<unknown>): Standing {
    const standing = this.#known.get(key.sk);
    if (standing === undefined) throw new Error('An item was used before it was loaded.');
    return standing;
  }
}
