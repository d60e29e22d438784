// The life cycle of tokens: API, owner and agent tokens, sign-in links and the sessions that they open.

import { GatewayError } from '../../protocol/errors.ts';
import { newUlid } from '../../shared/ulid.ts';
import type { Clock } from '../store/clock.ts';
import type { Store } from '../store/store.ts';
import type { TokenKind, TokenRecord } from '../store/token-store.ts';
import { Principal } from './principal.ts';
import { everyScope, isOffered } from './scopes.ts';
import { hashSecret, newSecret } from './secret.ts';

const signInMs = 15 * 60_000;
const sessionMs = 30 * 24 * 3_600_000;
/** Cache time of a token: for so long a revocation by another process may go unnoticed. */
const cacheMs = 5_000;
const cacheSize = 1_000;
/** Minimum interval between stored last uses of a session. */
const touchMs = 10 * 60_000;
const shortestPreset = 32;
const presetName = 'preset';

/** The part of the store that Access uses. */
export type AccessStore = Pick<Store, 'homes' | 'tokens'>;

export interface Grant {
  account: string;
  /** Null: every home of the account. */
  home: string | null;
  name: string;
  /** Scopes of scopes.ts; an agent's token needs none. */
  scopes: readonly string[];
}

export interface Issued {
  id: string;
  /** The secret: shown once, never stored. */
  token: string;
  /** Epoch milliseconds; null: it does not expire. */
  expiresAtMs: number | null;
}

/** What a host prints about the owner when it starts. */
export interface OwnerState {
  /** A new secret, to be shown once. */
  token?: string;
  /** The preset token was revoked: it stays invalid until another one is set. */
  isPresetRevoked?: true;
}

interface CacheEntry {
  principal: Promise<Principal | undefined>;
  untilMs: number;
}

export class Access {
  readonly #store: AccessStore;
  readonly #clock: Clock;
  readonly #cache = new Map<string, CacheEntry>();
  /** Last use of each session in this process, and when it was last stored, epoch milliseconds. */
  readonly #used = new Map<string, { lastMs: number; storedMs: number }>();
  /** Called for every revoked token, before the revocation is answered. */
  onRevoked: (token: TokenRecord) => Promise<void> = async () => undefined;

  constructor(parts: { store: AccessStore; clock: Clock }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
  }

  /** The principal of a valid token; undefined if it is unknown, revoked or expired. A sign-in code is no token. */
  async identify(secret: string): Promise<Principal | undefined> {
    const hash = hashSecret(secret);
    const nowMs = this.#clock.now();
    const cached = this.#cache.get(hash);
    const principal = await (cached !== undefined && nowMs < cached.untilMs
      ? cached.principal
      : this.#lookUp(hash, nowMs));
    if (principal === undefined || !isLive(principal.token, nowMs)) return undefined;
    if (principal.token.kind === 'session') await this.#noteUse(principal.token, nowMs);
    return principal;
  }

  /** Whether the token is valid, read from the store: for streams and tunnels, which outlive a request. */
  async isInUse({ hash, id }: TokenRecord): Promise<boolean> {
    const found = await this.#store.tokens.find(hash);
    return found?.id === id && isLive(found, this.#clock.now());
  }

  /**
   * Creates a token.
   * @throws GatewayError `invalid-request` for an unknown scope, `not-found` for a home of another account, `forbidden` if
   * `by` lacks a right that it would grant
   */
  async issue(kind: Exclude<TokenKind, 'sign-in' | 'session'>, grant: Grant, by?: Principal): Promise<Issued> {
    const unknown = grant.scopes.find((scope) => scope !== everyScope && !isOffered(scope));
    if (unknown !== undefined)
      throw new GatewayError('invalid-request', `There is no scope “${unknown.slice(0, 40)}”.`);
    if (by !== undefined && !by.mayGrant(grant)) {
      throw new GatewayError('forbidden', 'A token cannot give rights that it does not have itself.');
    }
    if (grant.home !== null) {
      const homes = await this.#store.homes.idsOf(grant.account);
      if (!homes.includes(grant.home)) throw new GatewayError('not-found', 'There is no such home.');
    }
    return this.#create(kind, grant, null);
  }

  /** Valid tokens. */
  list(account: string, filter: { kind: TokenKind; home?: string }): Promise<TokenRecord[]> {
    return this.#store.tokens.list(account, filter);
  }

  /** The account's sessions, newest first. */
  async sessions(account: string): Promise<TokenRecord[]> {
    const sessions = await this.list(account, { kind: 'session' });
    return sessions.map((session) => {
      const lastUsedMs = Math.max(session.lastUsedMs ?? session.createdAtMs, this.#used.get(session.id)?.lastMs ?? 0);
      return { ...session, lastUsedMs };
    });
  }

  /**
   * Revokes a token; false if it was not valid. Once this resolves the token is refused and its streams have ended. An
   * owner's token takes its sessions with it, and its secret stays barred, also as a preset one.
   */
  async revoke(token: TokenRecord): Promise<boolean> {
    if (token.kind === 'owner') await this.#store.tokens.bar(token.hash);
    return this.#end(token);
  }

  /** Ends the sessions before the token, so that an interrupted revocation can be retried. */
  async #end(token: TokenRecord): Promise<boolean> {
    if (token.kind === 'owner') await this.#endSessionsOf(token);
    const revoked = await this.#store.tokens.revoke(token.account, token.id);
    // Clear the whole cache: a lookup in flight may have read the token before the revocation. Revocations are rare.
    this.#cache.clear();
    this.#used.delete(token.id);
    await this.onRevoked(token);
    // Race: a session may have been opened in between.
    if (token.kind === 'owner') await this.#endSessionsOf(token);
    return revoked;
  }

  /** Sessions of earlier versions do not name the token that opened them, so it may have been this one. */
  async #endSessionsOf({ account, id }: TokenRecord): Promise<void> {
    const sessions = await this.list(account, { kind: 'session' });
    for (const session of sessions) if ((session.openedBy ?? id) === id) await this.#end(session);
  }

  /** A code that opens the dashboard once, within 15 minutes, with every scope of the account. */
  createSignIn(account: string): Promise<Issued> {
    const grant = { account, home: null, name: 'sign-in link', scopes: [everyScope] };
    return this.#create('sign-in', grant, this.#clock.now() + signInMs);
  }

  /** Exchanges a sign-in code for a session token of 30 days; undefined if the code is used, expired or unknown. */
  async signIn(code: string, device?: string): Promise<Issued | undefined> {
    const hash = hashSecret(code);
    // Anyone may guess codes: a wrong one must cost a read and not a transaction.
    if ((await this.#store.tokens.find(hash))?.kind !== 'sign-in') return undefined;
    const taken = await this.#store.tokens.take(hash);
    return taken === undefined ? undefined : this.#openSession(taken, device);
  }

  /** Exchanges the owner's token for a session of 30 days; no other token opens the dashboard. */
  async signInAs(principal: Principal, device?: string): Promise<Issued> {
    const { token } = principal;
    if (token.kind !== 'owner') throw new GatewayError('forbidden', 'Only the owner’s token opens the dashboard.');
    const session = await this.#openSession({ ...token, scopes: [everyScope] }, device);
    if (await this.isInUse(token)) return session;
    // Race: the token was revoked just now, and its revocation may not have seen this session.
    await this.#endSessionsOf(token);
    throw new GatewayError('unauthorized', 'This token is no longer in use.');
  }

  /**
   * Creates account, home and owner if they are missing. A preset token (HOMELINE_OWNER_TOKEN) replaces the previous preset
   * one and ends all sessions, because a person who learnt the old one may have opened some. A revoked preset token
   * changes nothing.
   */
  async ensureOwner(owner: { account: string; home: string; presetToken?: string | undefined }): Promise<OwnerState> {
    const { account, home, presetToken } = owner;
    if (presetToken !== undefined && presetToken.length < shortestPreset) {
      throw new GatewayError('invalid-request', `The owner’s token must have at least ${shortestPreset} characters.`);
    }
    await this.#store.homes.create({ id: home, account, name: 'Home', owner: 'Owner' });
    const tokens = await this.#store.tokens.list(account, { kind: 'owner' });
    const grant = { account, home: null, scopes: [everyScope] };
    if (presetToken !== undefined) {
      const hash = hashSecret(presetToken);
      if (await this.#store.tokens.isBarred(hash)) return { isPresetRevoked: true };
      const presets = tokens.filter((token) => token.name === presetName);
      if (!presets.some((token) => token.hash === hash)) {
        await this.#create('owner', { ...grant, name: presetName }, null, presetToken);
      }
      const replaced = presets.filter((token) => token.hash !== hash);
      if (replaced.length === 0) return {};
      const kinds = ['session', 'sign-in'] as const;
      const opened = (await Promise.all(kinds.map((kind) => this.list(account, { kind })))).flat();
      // The token last: the next start repeats everything if this was interrupted.
      for (const token of [...opened, ...replaced]) await this.#end(token);
      return {};
    }
    if (tokens.length > 0) return {};
    const { token } = await this.#create('owner', { ...grant, name: 'first start' }, null);
    return { token };
  }

  #lookUp(hash: string, nowMs: number): Promise<Principal | undefined> {
    const entry = { principal: this.#find(hash), untilMs: nowMs + cacheMs };
    const forget = () => {
      if (this.#cache.get(hash) === entry) this.#cache.delete(hash);
    };
    this.#cache.delete(hash);
    this.#cache.set(hash, entry);
    const oldest = this.#cache.keys().next().value;
    if (this.#cache.size > cacheSize && oldest !== undefined) this.#cache.delete(oldest);
    // Cache valid tokens only: guesses must not evict them, and a store failure is not an answer.
    entry.principal.then((principal) => principal === undefined && forget(), forget);
    return entry.principal;
  }

  async #find(hash: string): Promise<Principal | undefined> {
    const token = await this.#store.tokens.find(hash);
    if (token === undefined || token.kind === 'sign-in') return undefined;
    // A token for one home needs no check: homes do not change their account.
    return new Principal(token, token.home === null ? await this.#store.homes.idsOf(token.account) : [token.home]);
  }

  #openSession(token: TokenRecord, device: string | undefined): Promise<Issued> {
    const { account, home, scopes, id: openedBy } = token;
    const grant = { account, home, scopes, name: 'dashboard' };
    return this.#create('session', grant, this.#clock.now() + sessionMs, newSecret(), { openedBy, device });
  }

  /** A failure to store the last use must not refuse the request. */
  async #noteUse({ account, id, createdAtMs, lastUsedMs }: TokenRecord, nowMs: number): Promise<void> {
    const storedMs = Math.max(lastUsedMs ?? createdAtMs, this.#used.get(id)?.storedMs ?? 0);
    const isDue = nowMs - storedMs >= touchMs;
    this.#used.delete(id);
    this.#used.set(id, { lastMs: nowMs, storedMs: isDue ? nowMs : storedMs });
    const oldest = this.#used.keys().next().value;
    if (this.#used.size > cacheSize && oldest !== undefined) this.#used.delete(oldest);
    if (isDue) await this.#store.tokens.touch(account, id, nowMs).catch(() => undefined);
  }

  async #create(
    kind: TokenKind,
    grant: Grant,
    expiresAtMs: number | null,
    token: string = newSecret(),
    session: Pick<TokenRecord, 'openedBy' | 'device'> = {},
  ): Promise<Issued> {
    const id = `t_${newUlid(this.#clock.now())}`;
    await this.#store.tokens.create({
      id,
      kind,
      hash: hashSecret(token),
      account: grant.account,
      home: grant.home,
      name: grant.name,
      scopes: [...grant.scopes],
      createdAtMs: this.#clock.now(),
      expiresAtMs,
      revokedAtMs: null,
      ...session,
    });
    return { id, token, expiresAtMs };
  }
}

export function isLive(token: TokenRecord, nowMs: number): boolean {
  return token.revokedAtMs === null && (token.expiresAtMs === null || nowMs < token.expiresAtMs);
}
