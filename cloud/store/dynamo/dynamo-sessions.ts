// Sessions that the phones report.
import type { Session } from '../../../protocol/model.ts';
import type { Page, PageRequest } from '../page.ts';
import type { EventBody } from '../rules/change.ts';
import type { Cursors } from '../rules/cursor.ts';
import { putSession } from '../rules/session-rules.ts';
import type { SessionFilter, SessionStore } from '../session-store.ts';
import type { Write } from '../store.ts';
import { readDynamoPage } from './dynamo-page.ts';
import type { HomeBatch } from './home-batch.ts';
import type { HomeRecords } from './home-records.ts';
import { keys } from './keys.ts';

export type SessionWrite = Extract<Write, { type: 'session.put' }>;

export class DynamoSessions implements SessionStore {
  readonly #records: HomeRecords;
  readonly #cursors: Cursors;

  constructor(records: HomeRecords, cursors: Cursors) {
    this.#records = records;
    this.#cursors = cursors;
  }

  async get(home: string, id: string): Promise<Session | undefined> {
    const view = await this.#records.open(home);
    return view.get(keys.session(home, id));
  }

  /** Call it after the batch has loaded the session. */
  apply(batch: HomeBatch, home: string, write: SessionWrite): EventBody | undefined {
    const key = keys.session(home, write.id);
    const change = putSession(batch.get(key), write, home, batch.view.nowMs);
    if (change !== undefined) batch.put(key, change.next);
    return change?.event;
  }

  async list(home: string, filter: SessionFilter, request: PageRequest): Promise<Page<Session>> {
    const view = await this.#records.open(home);
    const { sessionClass, status, phone } = filter;
    const isSifted = sessionClass !== undefined || status !== undefined || phone !== undefined;
    return readDynamoPage<Session>(this.#cursors, { kind: 'sessions', home, filter }, request, {
      read: (before, count) => {
        const { pk: partition, sk: from } = keys.session(home, '');
        return view.range({ partition, from, to: keys.session(home, before).sk, newestFirst: true, count });
      },
      positionOf: (session) => session.id,
      isWanted: isSifted
        ? (session) =>
            (sessionClass ?? session.sessionClass) === session.sessionClass &&
            (status ?? session.status) === session.status &&
            (phone ?? session.phone) === session.phone
        : undefined,
    });
  }
}
