// Tokens from issue to revocation: API, owner and agent tokens, sign-in links and the sessions they open.
import { ulid } from 'ulid';
import { GatewayError } from '../../protocol/errors.ts';
import type { Clock, Store, TokenKind, TokenRecord } from '../store/store.ts';
import { Principal } from './principal.ts';
import { everyScope, isOffered } from './scopes.ts';
import { hashSecret, newSecret } from './secret.ts';

const signInMs = 15 * 60_000;
const sessionMs = 30 * 24 * 3_600_000;
/** How long a token that another process revoked may still be believed here. */
const cacheMs = 5_000;
const cacheSize = 1_000;
/** How often the last use of a session is stored. */
const touchMs = 10 * 60_000;
const shortestPreset = 32;
const presetName = 'preset';

/** What Access needs of the store. */
export type AccessStore = Pick<
  Store,
  | 'createHome'
  | 'homesOf'
  | 'createToken'
  | 'findToken'
  | 'listTokens'
  | 'revokeToken'
  | 'touchToken'
  | 'takeToken'
  | 'barSecret'
  | 'isBarred'
>;

export interface Grant {
  account: string;
  /** Null: every home of the account. */
  home: string | null;
  name: string;
  /** Of scopes.ts; an agent's token needs none. */
  scopes: readonly string[];
}

export interface Issued {
  id: string;
  /** The secret, which is shown once and kept nowhere. */
  token: string;
  /** Epoch milliseconds; null: until it is revoked. */
  expiresAtMs: number | null;
}

/** What the start of a host needs to say of the owner. */
export interface OwnerState {
  /** Made here, to be shown once. */
  token?: string;
  /** The preset token was revoked: it lets nobody in, and stays so until another is set. */
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
  /** When sessions were last used here, epoch milliseconds, and when that was last stored. */
  readonly #used = new Map<string, { lastMs: number; storedMs: number }>();
  /** Told of every token that is revoked, before the revocation is answered. */
  onRevoked: (token: TokenRecord) => Promise<void> = async () => undefined;

  constructor(parts: { store: AccessStore; clock: Clock }) {
    this.#store = parts.store;
    this.#clock = parts.clock;
  }

  /** The holder of a token that is neither unknown nor revoked nor expired. A sign-in code is no token. */
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

  /** Whether the token is in use, asked of the store itself: for what lasts longer than a request. */
  async isInUse({ hash, id }: TokenRecord): Promise<boolean> {
    const found = await this.#store.findToken(hash);
    return found?.id === id && isLive(found, this.#clock.now());
  }

  /**
   * Makes a token. Throws `invalid-request` for a scope that does not exist, `not-found` for a home that is not the
   * account's, `forbidden` when `by` does not itself have what it would give.
   */
  async issue(kind: Exclude<TokenKind, 'sign-in' | 'session'>, grant: Grant, by?: Principal): Promise<Issued> {
    const unknown = grant.scopes.find((scope) => scope !== everyScope && !isOffered(scope));
    if (unknown !== undefined)
      throw new GatewayError('invalid-request', `There is no scope “${unknown.slice(0, 40)}”.`);
    if (by !== undefined && !by.mayGrant(grant)) {
      throw new GatewayError('forbidden', 'A token cannot give rights that it does not have itself.');
    }
    if (grant.home !== null) {
      const homes = await this.#store.homesOf(grant.account);
      if (!homes.includes(grant.home)) throw new GatewayError('not-found', 'There is no such home.');
    }
    return this.#create(kind, grant, null);
  }

  /** Tokens that are in use. */
  list(account: string, filter: { kind: TokenKind; home?: string }): Promise<TokenRecord[]> {
    return this.#store.listTokens(account, filter);
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
   * False if the token is not in use any more. Nobody passes with it once this resolves, and what it had open has ended.
   * The sessions that an owner's token opened end with it, and its secret never counts again, not as a preset one either.
   */
  async revoke(token: TokenRecord): Promise<boolean> {
    if (token.kind === 'owner') await this.#store.barSecret(token.hash);
    return this.#end(token);
  }

  /** Sessions are ended before the token, so that a revocation that broke off can be repeated. */
  async #end(token: TokenRecord): Promise<boolean> {
    if (token.kind === 'owner') await this.#endSessionsOf(token);
    const revoked = await this.#store.revokeToken(token.account, token.id);
    // All of it, since a look-up under way may have read the token before it was revoked. Revocations are rare.
    this.#cache.clear();
    this.#used.delete(token.id);
    await this.onRevoked(token);
    // One that was opened in between.
    if (token.kind === 'owner') await this.#endSessionsOf(token);
    return revoked;
  }

  /** Earlier versions did not note what opened a session: it may have been this token. */
  async #endSessionsOf({ account, id }: TokenRecord): Promise<void> {
    const sessions = await this.list(account, { kind: 'session' });
    for (const session of sessions) if ((session.openedBy ?? id) === id) await this.#end(session);
  }

  /** A code that opens the dashboard once, within 15 minutes, with every scope of the account. */
  createSignIn(account: string): Promise<Issued> {
    const grant = { account, home: null, name: 'sign-in link', scopes: [everyScope] };
    return this.#create('sign-in', grant, this.#clock.now() + signInMs);
  }

  /** Takes a sign-in code for a session token of 30 days; undefined if it was used, has expired or never was. */
  async signIn(code: string, device?: string): Promise<Issued | undefined> {
    const hash = hashSecret(code);
    // Anybody may try codes: one that is none must cost a read, and not a transaction.
    if ((await this.#store.findToken(hash))?.kind !== 'sign-in') return undefined;
    const taken = await this.#store.takeToken(hash);
    return taken === undefined ? undefined : this.#openSession(taken, device);
  }

  /** A session of 30 days for whoever shows the owner's token; no other token opens the dashboard. */
  async signInAs(principal: Principal, device?: string): Promise<Issued> {
    const { token } = principal;
    if (token.kind !== 'owner') throw new GatewayError('forbidden', 'Only the owner’s token opens the dashboard.');
    const session = await this.#openSession({ ...token, scopes: [everyScope] }, device);
    if (await this.isInUse(token)) return session;
    // It was revoked at this very moment, and its revocation may not have seen this session.
    await this.#endSessionsOf(token);
    throw new GatewayError('unauthorized', 'This token is no longer in use.');
  }

  /**
   * Sees to it that account and home exist and that somebody owns them. A preset token (HOMELINE_OWNER_TOKEN) takes the
   * place of the preset one before it, and ends all sessions: whoever found that one out may have opened some. A preset
   * token that was revoked changes nothing.
   */
  async ensureOwner(owner: { account: string; home: string; presetToken?: string | undefined }): Promise<OwnerState> {
    const { account, home, presetToken } = owner;
    if (presetToken !== undefined && presetToken.length < shortestPreset) {
      throw new GatewayError('invalid-request', `The owner’s token must have at least ${shortestPreset} characters.`);
    }
    await this.#store.createHome({ id: home, account, name: 'Home', owner: 'Owner' });
    const tokens = await this.#store.listTokens(account, { kind: 'owner' });
    const grant = { account, home: null, scopes: [everyScope] };
    if (presetToken !== undefined) {
      const hash = hashSecret(presetToken);
      if (await this.#store.isBarred(hash)) return { isPresetRevoked: true };
      const presets = tokens.filter((token) => token.name === presetName);
      if (!presets.some((token) => token.hash === hash)) {
        await this.#create('owner', { ...grant, name: presetName }, null, presetToken);
      }
      const replaced = presets.filter((token) => token.hash !== hash);
      if (replaced.length === 0) return {};
      const kinds = ['session', 'sign-in'] as const;
      const opened = (await Promise.all(kinds.map((kind) => this.list(account, { kind })))).flat();
      // The token last: what broke off before that is begun anew by the next start.
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
    // Only good tokens stay: guesses must not crowd them out, and a failure of the store is not an answer.
    entry.principal.then((principal) => principal === undefined && forget(), forget);
    return entry.principal;
  }

  async #find(hash: string): Promise<Principal | undefined> {
    const token = await this.#store.findToken(hash);
    if (token === undefined || token.kind === 'sign-in') return undefined;
    // A token for one home was given out for a home of its account, and homes do not leave their account.
    return new Principal(token, token.home === null ? await this.#store.homesOf(token.account) : [token.home]);
  }

  #openSession(token: TokenRecord, device: string | undefined): Promise<Issued> {
    const { account, home, scopes, id: openedBy } = token;
    const grant = { account, home, scopes, name: 'dashboard' };
    return this.#create('session', grant, this.#clock.now() + sessionMs, newSecret(), { openedBy, device });
  }

  /** A use that cannot be stored must not keep its user out. */
  async #noteUse({ account, id, createdAtMs, lastUsedMs }: TokenRecord, nowMs: number): Promise<void> {
    const storedMs = Math.max(lastUsedMs ?? createdAtMs, this.#used.get(id)?.storedMs ?? 0);
    const isDue = nowMs - storedMs >= touchMs;
    this.#used.delete(id);
    this.#used.set(id, { lastMs: nowMs, storedMs: isDue ? nowMs : storedMs });
    const oldest = this.#used.keys().next().value;
    if (this.#used.size > cacheSize && oldest !== undefined) this.#used.delete(oldest);
    if (isDue) await this.#store.touchToken(account, id, nowMs).catch(() => undefined);
  }

  async #create(
    kind: TokenKind,
    grant: Grant,
    expiresAtMs: number | null,
    token: string = newSecret(),
    session: Pick<TokenRecord, 'openedBy' | 'device'> = {},
  ): Promise<Issued> {
    const id = `t_${ulid(this.#clock.now())}`;
    await this.#store.createToken({
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
