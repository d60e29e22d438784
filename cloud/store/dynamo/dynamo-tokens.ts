// Each token is stored twice: by the hash of its secret, for authentication, and under its account, for lists. One
// transaction writes or deletes both. Reads treat a revoked or expired token as absent.
import { GatewayError } from '../../../protocol/errors.ts';
import type { TokenKind, TokenRecord, TokenStore } from '../token-store.ts';
import type { Batch } from './batch.ts';
import { keys } from './keys.ts';
import type { Records } from './records.ts';

export class DynamoTokens implements TokenStore {
  readonly #records: Records;

  constructor(records: Records) {
    this.#records = records;
  }

  /** @throws GatewayError `conflict` if a token in use has this hash or id */
  create(token: TokenRecord): Promise<void> {
    return this.#records.change(async (batch) => {
      const places = placesOf(token);
      await batch.load(places);
      if (places.some((key) => this.#isLive(batch.get(key)))) {
        throw new GatewayError('conflict', 'There is such a token already.');
      }
      this.#put(batch, token);
    });
  }

  touch(account: string, id: string, usedMs: number): Promise<void> {
    return this.#records.change(async (batch) => {
      const key = keys.tokenOf(account, id);
      await batch.load([key]);
      const token = batch.get(key);
      if (token === undefined || !this.#isLive(token)) return;
      await batch.load(placesOf(token));
      this.#put(batch, { ...token, lastUsedMs: usedMs });
    });
  }

  bar(hash: string): Promise<void> {
    return this.#records.change(async (batch) => {
      const key = keys.barred(hash);
      await batch.load([key]);
      if (!batch.has(key)) batch.put(key, { barred: true });
    });
  }

  async isBarred(hash: string): Promise<boolean> {
    return (await this.#records.get(keys.barred(hash))) !== undefined;
  }

  async find(hash: string): Promise<TokenRecord | undefined> {
    const token = await this.#records.get(keys.token(hash));
    return this.#isLive(token) ? token : undefined;
  }

  async list(account: string, { kind, home }: { kind: TokenKind; home?: string }): Promise<TokenRecord[]> {
    const tokens = await this.#records.all(keys.tokenOf(account, ''));
    return tokens
      .filter((token) => token.kind === kind && (home === undefined || token.home === home) && this.#isLive(token))
      .reverse();
  }

  revoke(account: string, id: string): Promise<boolean> {
    return this.#records.change(async (batch) => {
      const key = keys.tokenOf(account, id);
      await batch.load([key]);
      return (await this.#end(batch, batch.get(key))) !== undefined;
    });
  }

  take(hash: string): Promise<TokenRecord | undefined> {
    return this.#records.change(async (batch) => {
      const key = keys.token(hash);
      await batch.load([key]);
      const token = batch.get(key);
      return token?.kind === 'sign-in' ? this.#end(batch, token) : undefined;
    });
  }

  #put(batch: Batch, token: TokenRecord): void {
    const placement = token.expiresAtMs === null ? {} : { expiresAtMs: token.expiresAtMs };
    for (const key of placesOf(token)) batch.put(key, token, placement);
  }

  async #end(batch: Batch, token: TokenRecord | undefined): Promise<TokenRecord | undefined> {
    if (token === undefined || !this.#isLive(token)) return undefined;
    const places = placesOf(token);
    await batch.load(places);
    for (const key of places) batch.delete(key);
    return { ...token, revokedAtMs: this.#records.clock.now() };
  }

  #isLive(token: TokenRecord | undefined): boolean {
    return token !== undefined && (token.expiresAtMs === null || token.expiresAtMs > this.#records.clock.now());
  }
}

function placesOf({ account, id, hash }: TokenRecord) {
  return [keys.tokenOf(account, id), keys.token(hash)];
}
