// Stored tokens: of owners, programs, agents and browsers.

/** `owner` and `api` open REST, `session` the dashboard, `agent` the tunnel; `sign-in` works once. */
export type TokenKind = 'owner' | 'api' | 'agent' | 'session' | 'sign-in';

export interface TokenRecord {
  id: string;
  kind: TokenKind;
  /** SHA-256 of the secret, hex. The secret itself is shown once and never stored. */
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
  /** @throws GatewayError `conflict` if a token in use has this hash or id */
  create(token: TokenRecord): Promise<void>;
  /** Finds a token in use: neither revoked nor expired. */
  find(hash: string): Promise<TokenRecord | undefined>;
  /** Tokens in use, newest first. */
  list(account: string, filter: { kind: TokenKind; home?: string }): Promise<TokenRecord[]>;
  /** False if the account has no such token in use. */
  revoke(account: string, id: string): Promise<boolean>;
  /** Stores the last use of a token in use; no effect on any other. */
  touch(account: string, id: string, usedMs: number): Promise<void>;
  /** Revokes a `sign-in` token and returns it: at most one caller gets it. */
  take(hash: string): Promise<TokenRecord | undefined>;
  /** Bars the hash of a secret from becoming a token again, such as that of a revoked preset token. */
  bar(hash: string): Promise<void>;
  isBarred(hash: string): Promise<boolean>;
}
