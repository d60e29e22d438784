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
    if (home !== undefined && !this.homes.includes(home)) return false;
    return this.#hasEvery || this.token.scopes.includes(scope);
  }

  /** Whether this token may hand out another with these rights: nobody gives what he does not have. */
  mayGrant(grant: { home: string | null; scopes: readonly string[] }): boolean {
    if (this.token.home !== null && grant.home !== this.token.home) return false;
    return this.#hasEvery || grant.scopes.every((scope) => scope !== everyScope && this.token.scopes.includes(scope));
  }

  get #hasEvery(): boolean {
    return this.token.kind === 'owner' || this.token.scopes.includes(everyScope);
  }
}
