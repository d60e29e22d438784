// The sign-in state. The cookie is HttpOnly, so only an API answer tells whether it is valid.
import { signal } from '@preact/signals';
import { type Api, ApiError, explain } from '../api.ts';

export type AccountState =
  | { kind: 'checking' }
  | { kind: 'signed-in' }
  /** `spent`: the sign-in link was already used or has expired. */
  | { kind: 'signed-out'; why?: 'spent' | 'ended' | 'refused' }
  | { kind: 'unreachable'; detail: string };

type Proof = { code: string } | { token: string };

export class Account {
  readonly state = signal<AccountState>({ kind: 'checking' });
  readonly #api: Api;
  /** A sign-in without an answer yet. */
  #proof: Proof | undefined;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Uses the sign-in code in the address, if any, and removes it from the address; otherwise asks the API. */
  async start(): Promise<void> {
    const code = /^#sign-in=(.+)$/u.exec(location.hash)?.[1];
    if (code === undefined) return this.check();
    history.replaceState(null, '', location.pathname);
    await this.#signIn({ code: decodeURIComponent(code) });
  }

  /** Retries the request that got no answer. */
  retry(): Promise<void> {
    return this.#proof === undefined ? this.check() : this.#signIn(this.#proof);
  }

  async check(): Promise<void> {
    this.state.value = { kind: 'checking' };
    try {
      await this.#api.get('/v1/me');
      this.state.value = { kind: 'signed-in' };
    } catch (fault) {
      this.state.value =
        fault instanceof ApiError && fault.status === 401
          ? { kind: 'signed-out' }
          : { kind: 'unreachable', detail: explain(fault) };
    }
  }

  signInWithToken(token: string): Promise<void> {
    return this.#signIn({ token });
  }

  async signOut(): Promise<void> {
    await this.#api.post('/v1/sign-out');
    this.state.value = { kind: 'signed-out' };
  }

  /** The API answered that the session has ended. */
  end(): void {
    if (this.state.value.kind === 'signed-in') this.state.value = { kind: 'signed-out', why: 'ended' };
  }

  async #signIn(proof: Proof): Promise<void> {
    this.#proof = proof;
    this.state.value = { kind: 'checking' };
    try {
      await this.#api.post('/v1/sign-in', proof);
      this.#proof = undefined;
      this.state.value = { kind: 'signed-in' };
    } catch (fault) {
      const answered = fault instanceof ApiError && fault.status >= 400 && fault.status < 500;
      if (answered) this.#proof = undefined;
      this.state.value = answered
        ? { kind: 'signed-out', why: 'code' in proof ? 'spent' : 'refused' }
        : { kind: 'unreachable', detail: explain(fault) };
    }
  }
}
