// Who asks: a token that was found good, and what it may do.
import type { TokenRecord } from '../store/store.ts';
import { everyScope, type Scope } from './scopes.ts';

export class Principal {
  readonly token: TokenRecord;
  /** The homes that the token reaches, by id. */
  readonly homes: readonly string[];

  constructor(token: TokenRecord, homesOfAccount: readonly string[]) {
    this.token = token;
    this.homes = token.home === null ? homesOfAccount : homesOfAccount.filter((home) => home === token.home);
  }

  /** Whether the token has this scope at this home, or, without a home, at all. */
  may(scope: Scope, home?: string): boolean {
    // An agent's scopes say what its word counts for in the tunnel; to REST it is a stranger.
    if (this.token.kind === 'agent') return false;
    if (home !== undefined && !this.homes.includes(home)) return false;
    return this.#hasEvery || this.token.scopes.includes(scope);
  }

  /** Whether this token may hand out another with these rights: nobody gives what he does not have. */
  mayGrant(grant: { home: string | null; scopes: readonly string[] }): boolean {
    if (this.token.home !== null && grant.home !== this.token.home) return false;
    return this.#hasEvery || grant.scopes.every((scope) => scope !== everyScope && this.token.scopes.includes(scope));
  }

  /** Whether this is the owner: by the owner's token, or by a session, which only that token or a sign-in link opens. */
  get isOwner(): boolean {
    return this.token.kind === 'owner' || this.token.kind === 'session';
  }

  /** Whether this token may revoke that one: nobody takes away more than he has, and only an owner an owner's. */
  mayRevoke(token: TokenRecord): boolean {
    return this.isOwner || (token.kind === 'api' && this.mayGrant(token));
  }

  get #hasEvery(): boolean {
    return this.token.kind === 'owner' || this.token.scopes.includes(everyScope);
  }
}
