// The devices that are signed in to the dashboard.
import { signal } from '@preact/signals';
import type { Api, ApiPage } from '../api.ts';

export interface Device {
  id: string;
  /** For example “Firefox on Linux”. */
  device: string;
  createdAt: string;
  lastUsedAt: string;
  current: boolean;
}

export class Devices {
  /** Undefined until the first answer. */
  readonly items = signal<readonly Device[] | undefined>(undefined);
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  stop(): void {
    this.items.value = undefined;
  }

  async refresh(): Promise<void> {
    this.items.value = (await this.#api.get<ApiPage<Device>>('/v1/me/sessions')).items;
  }

  async signOut({ id }: Device): Promise<void> {
    await this.#api.delete(`/v1/me/sessions/${encodeURIComponent(id)}`);
    await this.refresh();
  }

  async signOutOthers(): Promise<void> {
    await this.#api.delete('/v1/me/sessions?except=current');
    await this.refresh();
  }
}
