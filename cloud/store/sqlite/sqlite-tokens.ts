// Tokens by the hash of their secret. Reads treat a revoked or expired token as absent.
import { GatewayError } from '../../../protocol/errors.ts';
import type { Clock } from '../clock.ts';
import type { TokenKind, TokenRecord, TokenStore } from '../token-store.ts';
import type { SqliteEngine } from './engine.ts';

interface TokenRow {
  id: string;
  hash: string;
  kind: TokenKind;
  account: string;
  home: string | null;
  name: string;
  scopes: string;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
  opened_by: string | null;
  device: string | null;
  last_used_ms: number | null;
}

const live = 'revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ?)';

export class SqliteTokens implements TokenStore {
  readonly #engine: SqliteEngine;
  readonly #clock: Clock;

  constructor(engine: SqliteEngine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Two tokens in use never share a secret; that of a revoked token may be used again. */
  create(token: TokenRecord): Promise<void> {
    return this.#engine.write(() => {
      this.#engine.run('DELETE FROM tokens WHERE hash = ? AND revoked_at_ms IS NOT NULL', token.hash);
      const made = this.#engine.run(
        `INSERT INTO tokens (id, hash, kind, account, home, name, scopes, created_at_ms, expires_at_ms, revoked_at_ms,
           opened_by, device, last_used_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
        token.id,
        token.hash,
        token.kind,
        token.account,
        token.home,
        token.name,
        JSON.stringify(token.scopes),
        token.createdAtMs,
        token.expiresAtMs,
        token.revokedAtMs,
        token.openedBy ?? null,
        token.device ?? null,
        token.lastUsedMs ?? null,
      );
      if (made === 0) throw new GatewayError('conflict', 'There is such a token already.');
    });
  }

  async find(hash: string): Promise<TokenRecord | undefined> {
    const row = this.#engine.get<TokenRow>(`SELECT * FROM tokens WHERE hash = ? AND ${live}`, hash, this.#clock.now());
    return row && toRecord(row);
  }

  async list(account: string, { kind, home }: { kind: TokenKind; home?: string }): Promise<TokenRecord[]> {
    return this.#engine
      .all<TokenRow>(
        `SELECT * FROM tokens WHERE account = ? AND kind = ? AND ${live} AND (?4 IS NULL OR home = ?4) ORDER BY id DESC`,
        account,
        kind,
        this.#clock.now(),
        home ?? null,
      )
      .map(toRecord);
  }

  revoke(account: string, id: string): Promise<boolean> {
    return this.#engine.write(() => {
      const nowMs = this.#clock.now();
      return (
        this.#engine.run(
          `UPDATE tokens SET revoked_at_ms = ?1 WHERE account = ?2 AND id = ?3
           AND revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ?1)`,
          nowMs,
          account,
          id,
        ) === 1
      );
    });
  }

  touch(account: string, id: string, usedMs: number): Promise<void> {
    return this.#engine.write(() => {
      this.#engine.run(
        'UPDATE tokens SET last_used_ms = ?1 WHERE account = ?2 AND id = ?3 AND revoked_at_ms IS NULL',
        usedMs,
        account,
        id,
      );
    });
  }

  bar(hash: string): Promise<void> {
    return this.#engine.write(() => {
      this.#engine.run('INSERT INTO barred_secrets (hash) VALUES (?) ON CONFLICT DO NOTHING', hash);
    });
  }

  async isBarred(hash: string): Promise<boolean> {
    return this.#engine.get('SELECT 1 FROM barred_secrets WHERE hash = ?', hash) !== undefined;
  }

  take(hash: string): Promise<TokenRecord | undefined> {
    return this.#engine.write(() => {
      const row = this.#engine.get<TokenRow>(
        `UPDATE tokens SET revoked_at_ms = ?1 WHERE hash = ?2 AND kind = 'sign-in'
         AND revoked_at_ms IS NULL AND (expires_at_ms IS NULL OR expires_at_ms > ?1) RETURNING *`,
        this.#clock.now(),
        hash,
      );
      return row && toRecord(row);
    });
  }

  /** Deletes expired tokens. Call it within a write. */
  prune(): void {
    this.#engine.run('DELETE FROM tokens WHERE expires_at_ms <= ?', this.#clock.now());
  }
}

function toRecord(row: TokenRow): TokenRecord {
  return {
    id: row.id,
    kind: row.kind,
    hash: row.hash,
    account: row.account,
    home: row.home,
    name: row.name,
    scopes: JSON.parse(row.scopes) as string[],
    createdAtMs: row.created_at_ms,
    expiresAtMs: row.expires_at_ms,
    revokedAtMs: row.revoked_at_ms,
    ...(row.opened_by !== null && { openedBy: row.opened_by }),
    ...(row.device !== null && { device: row.device }),
    ...(row.last_used_ms !== null && { lastUsedMs: row.last_used_ms }),
  };
}
