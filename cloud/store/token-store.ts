// Tokens as the store keeps them: of owners, programs, agents and browsers.

/** `owner` and `api` open REST, `session` the dashboard, `agent` the tunnel; `sign-in` is good once. */
export type TokenKind = 'owner' | 'api' | 'agent' | 'session' | 'sign-in';

export interface TokenRecord {
  id: string;
  kind: TokenKind;
  /** SHA-256 of the secret, hex. The secret itself is shown once and kept nowhere. */
  hash: string;
  account: string;
  /** Null: every home of the account. */
  home: string | null;
  name: string;
  scopes: string[];
  createdAtMs: number;
  expiresAtMs: number | null;
  revokedAtMs: number | null;
  /** Sessions: the id of the token or sign-in link that opened it. Absent from sessions of earlier versions. */
  openedBy?: string | undefined;
  /** Sessions: where it was opened, in words for people. */
  device?: string | undefined;
  /** Sessions: when it was last used, to within some minutes. */
  lastUsedMs?: number | undefined;
}

export interface TokenStore {
  /** @throws `conflict` if a token in use has this hash or id. */
  create(token: TokenRecord): Promise<void>;
  /** Only a token in use, neither revoked nor expired. */
  find(hash: string): Promise<TokenRecord | undefined>;
  /** Tokens in use, newest first. */
  list(account: string, filter: { kind: TokenKind; home?: string }): Promise<TokenRecord[]>;
  /** False if the account has no such token in use. */
  revoke(account: string, id: string): Promise<boolean>;
  /** Notes the last use of a token; changes nothing where there is no such token in use. */
  touch(account: string, id: string, usedMs: number): Promise<void>;
  /** Takes a `sign-in` token out of use and returns it: at most once for each. */
  take(hash: string): Promise<TokenRecord | undefined>;
  /** Remembers the hash of a secret that must never become a token again, such as a preset one that was revoked. */
  bar(hash: string): Promise<void>;
  isBarred(hash: string): Promise<boolean>;
}
