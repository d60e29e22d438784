// API and agent tokens. Only the answer to a creation contains the secret.
import { signal } from '@preact/signals';
import type { Api, ApiPage } from '../api.ts';

export interface Token {
  id: string;
  name: string;
  createdAt: string;
  /** API tokens: the owner's token has every right. */
  kind?: 'owner' | 'api';
  scopes?: string[];
  /** Agent tokens: whether this agent is connected. */
  online?: boolean;
}

export interface NewToken {
  name: string;
  scopes?: string[];
}

export class Tokens {
  /** Undefined until the first answer. */
  readonly items = signal<readonly Token[] | undefined>(undefined);
  /** The newest secret: shown until the user closes it. */
  readonly secret = signal<string | undefined>(undefined);
  readonly #api: Api;
  readonly #path: () => string;

  constructor(api: Api, path: () => string) {
    this.#api = api;
    this.#path = path;
  }

  stop(): void {
    this.items.value = undefined;
    this.secret.value = undefined;
  }

  async refresh(): Promise<void> {
    this.items.value = (await this.#api.get<ApiPage<Token>>(this.#path())).items;
  }

  async create(token: NewToken): Promise<void> {
    this.secret.value = (await this.#api.post<{ token: string }>(this.#path(), token)).token;
    await this.refresh();
  }

  async revoke(token: Token): Promise<void> {
    await this.#api.delete(`${this.#path()}/${encodeURIComponent(token.id)}`);
    await this.refresh();
  }
}
