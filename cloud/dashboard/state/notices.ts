// Visible notices, and announcements for screen readers.
import { signal } from '@preact/signals';
import { ApiError, explain } from '../api.ts';

export interface Notice {
  id: number;
  tone: 'plain' | 'fault';
  title: string;
  detail?: string;
}

const shownMs = { plain: 6_000, fault: 12_000 } as const;

export class Notices {
  readonly shown = signal<readonly Notice[]>([]);
  /** The latest announcement; numbered, so that a repeated sentence is spoken again. */
  readonly announcement = signal({ id: 0, sentence: '' });
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  #lastId = 0;

  stop(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.shown.value = [];
  }

  show(notice: Omit<Notice, 'id'>): number {
    const id = ++this.#lastId;
    this.shown.value = [...this.shown.value.slice(-2), { ...notice, id }];
    this.#timers.set(
      id,
      setTimeout(() => this.dismiss(id), shownMs[notice.tone]),
    );
    return id;
  }

  /** Shows what failed, why, and the request id for the cloud's log. */
  fault(what: string, fault: unknown): void {
    // The session has ended: the page shows the sign-in form.
    if (fault instanceof ApiError && fault.status === 401) return;
    const request = fault instanceof ApiError && fault.requestId !== undefined ? ` (request ${fault.requestId})` : '';
    this.show({ tone: 'fault', title: what, detail: `${explain(fault)}${request}` });
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.shown.value = this.shown.value.filter((notice) => notice.id !== id);
  }

  announce(sentence: string): void {
    this.announcement.value = { id: this.announcement.value.id + 1, sentence };
  }
}
