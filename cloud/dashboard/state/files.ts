// The files of the open session: loaded from its phone, then updated by events.
import { signal } from '@preact/signals';
import type { Session } from '../../../protocol/model.ts';
import type { FileInfo } from '../../../protocol/phone-model.ts';
import type { Api, ApiPage } from '../api.ts';
import type { HomeState } from './home.ts';

export class FileState {
  /** Undefined until the phone has answered. */
  readonly items = signal<readonly FileInfo[] | undefined>(undefined);
  readonly #api: Api;
  readonly #home: HomeState;
  #session: Pick<Session, 'id' | 'sessionId' | 'phone'> | undefined;

  constructor(api: Api, home: HomeState) {
    this.#api = api;
    this.#home = home;
  }

  async open(session: Session): Promise<void> {
    this.#session = session;
    this.items.value = undefined;
    const { items } = await this.#api.get<ApiPage<FileInfo>>(this.#path(session));
    if (this.#session === session) this.items.value = items;
  }

  close(): void {
    this.#session = undefined;
    this.items.value = undefined;
  }

  /** Applies an event of a file of the open session. */
  put({ phone, ...file }: FileInfo & { phone: string }): void {
    if (phone !== this.#session?.phone || file.sessionId !== this.#session.sessionId) return;
    const known = this.items.value ?? [];
    const isKnown = known.some((each) => each.fileId === file.fileId);
    this.items.value = isKnown ? known.map((each) => (each.fileId === file.fileId ? file : each)) : [...known, file];
  }

  /** Cancels all transfers of the session. */
  async cancel(session: Session): Promise<void> {
    const { items } = await this.#api.post<ApiPage<FileInfo>>(`${this.#path(session)}/cancel`);
    if (this.#session?.id === session.id) this.items.value = items;
  }

  #path(session: Session): string {
    return this.#home.path(`/sessions/${encodeURIComponent(session.id)}/files`);
  }
}
