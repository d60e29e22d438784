// The principal of a request: a valid token and its rights.
import type { TokenRecord } from '../store/token-store.ts';
import { everyScope, type Scope } from './scopes.ts';

export class Principal {
  readonly token: TokenRecord;
  /** The homes that the token reaches, by id. */
  readonly homes: readonly string[];

  constructor(token: TokenRecord, homesOfAccount: readonly string[]) {
    this.token = token;
    this.homes = token.home === null ? homesOfAccount : homesOfAccount.filter((home) => home === token.home);
  }

  /** Whether the token has this scope for this home, or, without a home, for any home. */
  may(scope: Scope, home?: string): boolean {
    // An agent's scopes count in the tunnel only; REST refuses agent tokens.
    if (this.token.kind === 'agent') return false;
    if (home !== undefined && !this.homes.includes(home)) return false;
    return this.#hasEvery || this.token.scopes.includes(scope);
  }

  /** Whether this token may create one with these rights: nobody can grant rights that they do not have. */
  mayGrant(grant: { home: string | null; scopes: readonly string[] }): boolean {
    if (this.token.home !== null && grant.home !== this.token.home) return false;
    return this.#hasEvery || grant.scopes.every((scope) => scope !== everyScope && this.token.scopes.includes(scope));
  }

  /** Whether this is the owner: the owner's token, or a session, which only that token or a sign-in link opens. */
  get isOwner(): boolean {
    return this.token.kind === 'owner' || this.token.kind === 'session';
  }

  /** Whether this token may revoke that one: it must have all of its rights; only an owner may revoke an owner's token. */
  mayRevoke(token: TokenRecord): boolean {
    return this.isOwner || (token.kind === 'api' && this.mayGrant(token));
  }

  get #hasEvery(): boolean {
    return this.token.kind === 'owner' || this.token.scopes.includes(everyScope);
  }
}
