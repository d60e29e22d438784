// What every Store keeps to, whatever engine is below it. An adapter's own test file calls storeContract.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { idFloor } from '../../cloud/store/ordered-id.ts';
import type {
  Clock,
  MessageFilter,
  MessageRecord,
  PhoneRecord,
  Store,
  TokenRecord,
  Write,
} from '../../cloud/store/store.ts';
import { limits } from '../../protocol/limits.ts';
import type { HomeEvent, PhoneMessage, PhoneSession } from '../../protocol/model.ts';
import { messageId, phoneMessage, phoneSession, presence, send, sessionId } from './messages.ts';

/** Opens the store in `place`, an empty folder at first; opened again, it holds what it held. */
export type MakeStore = (place: string, clock: Clock) => Store;

export interface Places {
  make(): string;
  clear(place: string): void;
}

const minuteMs = 60_000;
const dayMs = 24 * 3_600_000;
const home = 'home';

export function storeContract(name: string, makeStore: MakeStore, places: Places): void {
  describe(`${name} keeps the contract of Store`, () => {
    let place: string;
    let store: Store;
    let phone: PhoneRecord;
    const clock = { nowMs: 0, now: () => clock.nowMs };

    beforeEach(async () => {
      clock.nowMs = Date.UTC(2026, 10, 22, 12);
      place = places.make();
      store = makeStore(place, clock);
      await store.start();
      await store.createHome({ id: home, account: 'account', name: 'Home', owner: 'Ada' });
      phone = only(await store.putPhones(home, [presence('uuid:1')]));
    });
    afterEach(async () => {
      await store.stop();
      places.clear(place);
    });

    async function reopen(): Promise<void> {
      await store.stop();
      store = makeStore(place, clock);
      await store.start();
    }
    const put = (
      id: string,
      message: Partial<PhoneMessage> = {},
      more: Partial<Extract<Write, { type: 'message.put' }>> = {},
    ): Write => ({
      type: 'message.put',
      id,
      phone: phone.id,
      epoch: 0,
      session: null,
      fingerprint: 'f',
      message: phoneMessage(message),
      ...more,
    });
    const putSession = (id: string, session: Partial<PhoneSession> = {}): Write => ({
      type: 'session.put',
      id,
      phone: phone.id,
      session: phoneSession(session),
    });
    const commit = (...writes: Write[]) => store.commit(home, writes);
    const ids = async (filter: MessageFilter = {}) =>
      (await store.listMessages(home, filter, { limit: 200 })).items.map((message) => message.id);

    describe('its life', () => {
      it('keeps its id and all it was given when it is opened again', async () => {
        const { id } = store;
        const [event] = await commit(put(messageId(1)), putSession(sessionId(1)));
        const before = await snapshot(store);
        await reopen();
        expect(store.id).toBe(id);
        expect(await snapshot(store)).toEqual(before);
        expect(before.messages).toHaveLength(1);
        expect(await store.eventsAfter(home, event?.id ?? '', 10)).toHaveLength(1);
      });

      it('answers a ping while it is open, and store-unavailable afterwards', async () => {
        await store.ping();
        await store.stop();
        await expect(store.ping()).rejects.toMatchObject({ code: 'store-unavailable' });
        await expect(commit(put(messageId(1)))).rejects.toMatchObject({ code: 'store-unavailable' });
        await store.start();
        await store.ping();
      });

      it('finishes the commits that wait when it is stopped', async () => {
        const committed = commit(put(messageId(1)));
        await store.stop();
        expect(await committed).toHaveLength(1);
        await store.start();
        expect(await ids()).toEqual([messageId(1)]);
      });
    });

    describe('homes', () => {
      it('leaves a home as it is when it is created again', async () => {
        await commit({ type: 'home.status', online: true, agent: { id: 'a', name: 'attic' } });
        await store.createHome({ id: home, account: 'other', name: 'Other', owner: 'Bob' });
        expect(await store.getHome(home)).toEqual({
          id: home,
          account: 'account',
          name: 'Home',
          online: true,
          sinceMs: clock.nowMs,
          agent: { id: 'a', name: 'attic' },
        });
        expect(await store.homesOf('other')).toEqual([]);
      });

      it('lists the homes of an account and of no other', async () => {
        await store.createHome({ id: 'b', account: 'account', name: 'B', owner: 'Ada' });
        await store.createHome({ id: 'c', account: 'other', name: 'C', owner: 'Bob' });
        expect((await store.homesOf('account')).map((each) => each.id)).toEqual(['b', home]);
        expect(await store.getHome('nowhere')).toBeUndefined();
      });

      it('refuses to write to a home that does not exist', async () => {
        await expect(store.commit('nowhere', [put(messageId(1))])).rejects.toMatchObject({ code: 'not-found' });
        await expect(store.putPhones('nowhere', [])).rejects.toMatchObject({ code: 'not-found' });
      });

      it('tells that a home came or went once, at the change', async () => {
        const online = { type: 'home.status', online: true, agent: { id: 'a', name: 'attic' } } as const;
        expect(await commit({ ...online, online: false, agent: null })).toEqual([]);
        expect(await commit(online)).toMatchObject([{ type: 'home.online', data: { home, since: iso(clock.nowMs) } }]);
        clock.nowMs += 5;
        expect(await commit({ ...online, agent: { id: 'b', name: 'cellar' } })).toEqual([]);
        expect(await store.getHome(home)).toMatchObject({ sinceMs: clock.nowMs - 5, agent: { name: 'cellar' } });
        expect(await commit({ ...online, online: false })).toMatchObject([{ type: 'home.offline' }]);
      });
    });

    describe('tokens', () => {
      it('finds a token by its hash, and lists it by account, kind and home', async () => {
        const token = tokenRecord('t_1', { scopes: ['messages:read'], home });
        await store.createToken(token);
        await store.createToken(tokenRecord('t_2', { kind: 'agent' }));
        expect(await store.findToken('hash of t_1')).toEqual(token);
        expect(await store.listTokens('account', { kind: 'api' })).toEqual([token]);
        expect(await store.listTokens('account', { kind: 'api', home })).toEqual([token]);
        expect(await store.listTokens('account', { kind: 'api', home: 'other' })).toEqual([]);
        expect(await store.listTokens('other', { kind: 'api' })).toEqual([]);
      });

      it('forgets a token that is revoked or has expired', async () => {
        await store.createToken(tokenRecord('t_1'));
        await store.createToken(tokenRecord('t_2', { expiresAtMs: clock.nowMs + minuteMs }));
        expect(await store.revokeToken('other', 't_1')).toBe(false);
        expect(await store.revokeToken('account', 't_1')).toBe(true);
        expect(await store.revokeToken('account', 't_1')).toBe(false);
        expect(await store.findToken('hash of t_1')).toBeUndefined();
        expect(await store.findToken('hash of t_2')).toBeDefined();
        clock.nowMs += minuteMs;
        expect(await store.findToken('hash of t_2')).toBeUndefined();
        expect(await store.listTokens('account', { kind: 'api' })).toEqual([]);
      });

      it('gives no two tokens in use the same secret, but a revoked one may be used again', async () => {
        await store.createToken(tokenRecord('t_1', { hash: 'same' }));
        await expect(store.createToken(tokenRecord('t_2', { hash: 'same' }))).rejects.toMatchObject({
          code: 'conflict',
        });
        await store.revokeToken('account', 't_1');
        await store.createToken(tokenRecord('t_3', { hash: 'same' }));
        expect(await store.findToken('same')).toMatchObject({ id: 't_3' });
      });

      it('lets a sign-in token be taken exactly once, however many try', async () => {
        await store.createToken(tokenRecord('t_1', { kind: 'sign-in' }));
        const takers = await Promise.all(Array.from({ length: 50 }, () => store.takeToken('hash of t_1')));
        expect(takers.filter((taken) => taken !== undefined)).toMatchObject([{ id: 't_1' }]);
        expect(await store.findToken('hash of t_1')).toBeUndefined();
      });

      it('lets nothing be taken that is not a sign-in token, or has expired', async () => {
        await store.createToken(tokenRecord('t_1', { kind: 'owner' }));
        await store.createToken(tokenRecord('t_2', { kind: 'sign-in', expiresAtMs: clock.nowMs }));
        expect(await store.takeToken('hash of t_1')).toBeUndefined();
        expect(await store.takeToken('hash of t_2')).toBeUndefined();
        expect(await store.findToken('hash of t_1')).toBeDefined();
      });
    });

    describe('phones', () => {
      it('gives a phone an id for ever, and keeps what the agent sees of it', async () => {
        const capabilities = { classes: [], sessionClasses: [], fileTransfer: true };
        await store.putPhones(home, [presence('uuid:1', { name: 'Hall', epoch: 3, capabilities })]);
        const [seen, second] = await store.putPhones(home, [
          presence('uuid:1', { name: 'Hall', epoch: 3 }),
          presence('uuid:2'),
        ]);
        expect(seen).toMatchObject({ id: phone.id, name: 'Hall', epoch: 3, capabilities });
        expect(await store.listPhones(home)).toEqual([seen, second]);
        expect(await store.getPhone(home, phone.id)).toEqual(seen);
        expect(await store.getPhone(home, 'p_none')).toBeUndefined();
      });

      it('approves a trusted phone when it is first seen, and later only by decision', async () => {
        expect(phone.approved).toBe(false);
        expect(
          await store.putPhones(home, [presence('uuid:1', { trusted: true }), presence('uuid:2', { trusted: true })]),
        ).toMatchObject([{ approved: false }, { approved: true }]);
        expect(await store.approvePhone(home, phone.id, true)).toMatchObject({ id: phone.id, approved: true });
        expect(await store.putPhones(home, [presence('uuid:1')])).toMatchObject([
          { approved: true },
          { approved: true },
        ]);
        expect(await store.approvePhone(home, 'p_none', true)).toBeUndefined();
      });

      it('tells that a phone came or went once, at the change', async () => {
        const status = (online: boolean): Write => ({ type: 'phone.status', phone: { ...phone, online } });
        expect(await commit(status(false))).toEqual([]);
        expect(await commit(status(true))).toMatchObject([
          { type: 'phone.online', data: { id: phone.id, online: true } },
        ]);
        expect(await commit(status(true))).toEqual([]);
        expect(await commit(status(false))).toMatchObject([{ type: 'phone.offline' }]);
        expect(await commit({ type: 'phone.status', phone: { ...phone, id: 'p_none', online: true } })).toEqual([]);
      });
    });

    describe('messages from a phone', () => {
      it('tells of an arrival once, and shows it as it came', async () => {
        const events = await commit(
          put(messageId(1), { body: 'Dinner at 8?', subject: 'Tonight' }, { recovered: true }),
        );
        expect(events).toMatchObject([{ home, time: iso(clock.nowMs), type: 'message.received' }]);
        const message = {
          id: messageId(1),
          messageId: 'phone-1',
          home,
          phone: phone.id,
          messageClass: 'SMS',
          folder: 'Received',
          status: 'Unread',
          sessionId: null,
          from: { address: '+390110001', displayName: 'Nonna' },
          to: [{ address: '+390119999' }],
          subject: 'Tonight',
          body: 'Dinner at 8?',
          contentType: 'text/plain',
          attachments: [],
          time: '2026-11-22T11:00:00.000Z',
          state: 'received',
        };
        expect(events[0]?.data).toEqual({ ...message, recovered: true });
        expect(await store.getMessage(home, messageId(1))).toEqual({
          ...message,
          epoch: 0,
          fingerprint: 'f',
          deliverByMs: null,
        });
        expect((await store.listMessages(home, {}, { limit: 1 })).items).toEqual([message]);
        expect(await commit(put(messageId(1), { body: 'Dinner at 8?', subject: 'Tonight' }))).toEqual([]);
      });

      it('follows the phone in what is visible, except for id and time', async () => {
        await commit(put(messageId(1)));
        const changed = put(messageId(1), { status: 'Read', time: '2026-11-22T11:30:00.000Z' });
        expect(await commit(changed)).toMatchObject([
          { type: 'message.updated', data: { id: messageId(1), status: 'Read', time: '2026-11-22T11:00:00.000Z' } },
        ]);
        expect(await commit(changed)).toEqual([]);
        expect(await commit(put(messageId(1), { status: 'Unread' }))).toMatchObject([{ data: { status: 'Unread' } }]);
      });

      it('keeps a change that nobody sees without telling of it', async () => {
        await commit(put(messageId(1)));
        expect(await commit(put(messageId(1), {}, { fingerprint: 'g', epoch: 1 }))).toEqual([]);
        expect(await store.getMessage(home, messageId(1))).toMatchObject({ fingerprint: 'g', epoch: 1 });
      });

      it('keeps a body that the phone leaves out later', async () => {
        await commit(put(messageId(1), { body: '', bodyOmitted: true }));
        expect(await store.getMessage(home, messageId(1))).toMatchObject({ body: null });
        await commit(put(messageId(1), { body: 'fetched' }));
        expect(await commit(put(messageId(1), { body: '', bodyOmitted: true }))).toEqual([]);
        expect(await store.getMessage(home, messageId(1))).toMatchObject({ body: 'fetched' });
      });

      it('tells of what was written at the phone itself as a send, not as an arrival', async () => {
        expect(await commit(put(messageId(1), { folder: 'Outgoing', status: 'Read' }))).toMatchObject([
          { type: 'send.updated', data: { state: 'sending' } },
        ]);
        expect(await commit(put(messageId(2), { folder: 'Sent' }))).toMatchObject([
          { type: 'send.updated', data: { state: 'sent' } },
        ]);
        expect(await commit(put(messageId(1), { folder: 'Sent', status: 'Read' }))).toMatchObject([
          { type: 'send.updated', data: { state: 'sent' } },
        ]);
        expect(await commit(put(messageId(3), { folder: 'Deleted' }))).toMatchObject([{ type: 'message.updated' }]);
      });

      it('tells of a deletion once, and never shows that id again', async () => {
        await commit(put(messageId(1)), put(messageId(2), { messageId: 'phone-2' }));
        const gone = { type: 'message.delete', id: messageId(1) } as const;
        expect(await commit(gone)).toMatchObject([{ type: 'message.deleted', data: { id: messageId(1) } }]);
        expect(await commit(gone, put(messageId(1)), { type: 'send.create', message: send(messageId(1)) })).toEqual([]);
        await reopen();
        expect(await commit(put(messageId(1), { body: 'back' }))).toEqual([]);
        expect(await store.getMessage(home, messageId(1))).toBeUndefined();
        expect(await ids()).toEqual([messageId(2)]);
        expect(await ids({ text: 'dinner' })).toEqual([messageId(2)]);
        expect((await store.inventory(home, phone.id, { limit: 10 })).items.map((item) => item.id)).toEqual([
          messageId(2),
        ]);
        expect(await commit({ type: 'message.delete', id: messageId(9) })).toEqual([]);
      });

      it('tells the inventory of a phone in pages, by id', async () => {
        await commit(...[3, 1, 2].map((n) => put(messageId(n), { messageId: `phone-${n}` }, { fingerprint: `f${n}` })));
        await commit({ type: 'send.create', message: send(messageId(4)) });
        const first = await store.inventory(home, phone.id, { limit: 2 });
        expect(first.items).toEqual([
          { id: messageId(1), messageId: 'phone-1', epoch: 0, fingerprint: 'f1' },
          { id: messageId(2), messageId: 'phone-2', epoch: 0, fingerprint: 'f2' },
        ]);
        const rest = await store.inventory(home, phone.id, { limit: 2, after: first.next });
        expect(rest.items.map((item) => item.id)).toEqual([messageId(3)]);
        expect(rest.next).toBeUndefined();
        expect(await store.inventory(home, 'p_none', { limit: 2 })).toEqual({ items: [] });
      });
    });

    describe('sends', () => {
      it('writes a send down once', async () => {
        const create = { type: 'send.create', message: send(messageId(1)) } as const;
        expect(await commit(create)).toMatchObject([
          { type: 'send.updated', data: { id: messageId(1), state: 'queued' } },
        ]);
        expect(await commit({ ...create, message: send(messageId(1), { body: 'other' }) })).toEqual([]);
        expect(await store.getMessage(home, messageId(1))).toEqual(send(messageId(1)));
      });

      it('moves a send on only from the states that are named', async () => {
        await commit({ type: 'send.create', message: send(messageId(1)) });
        const move = (from: MessageRecord['state'], to: MessageRecord['state'], more = {}) =>
          commit({ type: 'send.move', id: messageId(1), from: [from], to, ...more });
        expect(await move('sending', 'sent')).toEqual([]);
        expect(await move('queued', 'sending', { phone: phone.id })).toMatchObject([
          { data: { state: 'sending', phone: phone.id } },
        ]);
        expect(await move('sending', 'unknown', { reason: 'lost' })).toMatchObject([{ data: { stateReason: 'lost' } }]);
        const [sent] = await move('unknown', 'sent', { messageId: 'phone-7', epoch: 2 });
        expect(sent).toMatchObject({ data: { state: 'sent', folder: 'Sent', messageId: 'phone-7' } });
        expect(sent?.data).not.toHaveProperty('stateReason');
        expect(await store.getMessage(home, messageId(1))).toMatchObject({ epoch: 2 });
      });

      it('lets one of many who move the same send succeed', async () => {
        await commit({ type: 'send.create', message: send(messageId(1)) });
        const tries = await Promise.all(
          Array.from({ length: 20 }, () =>
            commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'sending' }),
          ),
        );
        expect(tries.filter((events) => events.length > 0)).toHaveLength(1);
      });

      it('lets the phone’s own folders finish a send, and never takes it back', async () => {
        await commit({ type: 'send.create', message: send(messageId(1)) });
        expect(await commit(put(messageId(1), { folder: 'Outgoing' }))).toMatchObject([
          { type: 'send.updated', data: { state: 'sending' } },
        ]);
        expect(await commit(put(messageId(1), { folder: 'Sent' }))).toMatchObject([
          { type: 'send.updated', data: { state: 'sent', time: send(messageId(1)).time } },
        ]);
        await commit(put(messageId(1), { folder: 'Outgoing' }));
        expect(await store.getMessage(home, messageId(1))).toMatchObject({ state: 'sent' });
      });

      it('does not take lying in Outgoing for a second try of what failed', async () => {
        await commit({ type: 'send.create', message: send(messageId(1)) });
        await commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'failed', reason: 'refused' });
        await commit(put(messageId(1), { folder: 'Outgoing' }));
        expect(await store.getMessage(home, messageId(1))).toMatchObject({ state: 'failed', stateReason: 'refused' });
        const [sent] = await commit(put(messageId(1), { folder: 'Sent' }));
        expect(sent).toMatchObject({ type: 'send.updated', data: { state: 'sent' } });
        expect(sent?.data).not.toHaveProperty('stateReason');
      });

      it('lists open sends oldest first, without those that a phone has taken', async () => {
        for (const n of [2, 1, 3, 4]) await commit({ type: 'send.create', message: send(messageId(n)) });
        await commit({ type: 'send.move', id: messageId(1), from: ['queued'], to: 'sending' });
        await commit({ type: 'send.move', id: messageId(4), from: ['queued'], to: 'sending', messageId: 'phone-4' });
        await commit(put(messageId(5), { folder: 'Outgoing' }));
        const open = async (states: MessageRecord['state'][], limit = 10) =>
          (await store.openSends(home, states, limit)).map((record) => record.id);
        expect(await open(['queued', 'sending'])).toEqual([1, 2, 3].map(messageId));
        expect(await open(['queued'], 1)).toEqual([messageId(2)]);
        expect(await open([])).toEqual([]);
      });
    });

    describe('pages of messages', () => {
      it('go through everything once, newest first, while more arrives', async () => {
        await commit(...numbers(1, 25).map((n) => put(messageId(n), { messageId: `phone-${n}` })));
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const page = await store.listMessages(home, {}, { limit: 10, cursor });
          seen.push(...page.items.map((message) => message.id));
          cursor = page.next ?? undefined;
          await commit(put(messageId(100 + seen.length)));
        } while (cursor !== undefined);
        expect(seen).toEqual(numbers(1, 25).reverse().map(messageId));
      });

      it('end without a cursor, also when they are just full', async () => {
        await commit(...numbers(1, 4).map((n) => put(messageId(n))));
        expect((await store.listMessages(home, {}, { limit: 4 })).next).toBeNull();
        expect((await store.listMessages(home, {}, { limit: 3 })).next).not.toBeNull();
      });

      it('take every combination of filters', async () => {
        const second = (await store.putPhones(home, [presence('uuid:2')]))[1] ?? phone;
        const spread = numbers(0, 63);
        const traits = (n: number) =>
          ({
            messageClass: n & 1 ? 'MMS' : 'SMS',
            folder: n & 2 ? 'Deleted' : 'Received',
            status: n & 4 ? 'Read' : 'Unread',
            session: n & 8 ? sessionId(1) : sessionId(2),
            phone: n & 16 ? second.id : phone.id,
            from: n & 32 ? '+1' : '+2',
          }) as const;
        await commit(
          ...spread.map((n) => {
            const { messageClass, folder, status, session, phone, from } = traits(n);
            return put(messageId(n), { messageClass, folder, status, from: { address: from } }, { session, phone });
          }),
        );
        const fields = ['messageClass', 'folder', 'status', 'session', 'phone', 'from'] as const;
        for (const chosen of spread) {
          const wanted = traits(chosen);
          for (const subset of spread) {
            const filter = Object.fromEntries(
              fields.filter((_, bit) => subset & (1 << bit)).map((field) => [field, wanted[field]]),
            );
            const expected = spread
              .filter((n) => (n & subset) === (chosen & subset))
              .reverse()
              .map(messageId);
            if (chosen % 7 === 0) expect(await ids(filter)).toEqual(expected);
          }
        }
        const conversation = sessionId(1);
        expect(await ids({ conversation, status: 'Read' })).toEqual(
          spread
            .filter((n) => n & 8 && n & 4 && !(n & 2))
            .reverse()
            .map(messageId),
        );
      });

      it('refuse a limit that is none, and a cursor that was given for something else', async () => {
        await store.createHome({ id: 'other', account: 'account', name: 'Other', owner: 'Ada' });
        await commit(...numbers(1, 3).map((n) => put(messageId(n), { messageId: `phone-${n}` })));
        const { next } = await store.listMessages(home, { folder: 'Received' }, { limit: 1 });
        const cursor = next ?? '';
        const altered = cursor.slice(0, -1) + (cursor.endsWith('A') ? 'E' : 'A');
        const invalid = { code: 'invalid-request' };
        for (const limit of [0, -1, 1.5, 201, Number.NaN]) {
          await expect(store.listMessages(home, {}, { limit })).rejects.toMatchObject(invalid);
        }
        for (const [place, filter, given] of [
          ['other', { folder: 'Received' }, cursor],
          [home, {}, cursor],
          [home, { folder: 'Sent' }, cursor],
          [home, { folder: 'Received', status: 'Unread' }, cursor],
          [home, { folder: 'Received' }, altered],
          [home, { folder: 'Received' }, `${cursor}AAAA`],
          [home, { folder: 'Received' }, ''],
          [home, { folder: 'Received' }, 'not a cursor ☃'],
        ] as const) {
          await expect(store.listMessages(place, filter, { limit: 1, cursor: given })).rejects.toMatchObject(invalid);
        }
        await expect(store.listConversations(home, { limit: 1, cursor })).rejects.toMatchObject(invalid);
        await expect(store.listSessions(home, {}, { limit: 1, cursor })).rejects.toMatchObject(invalid);
        await reopen();
        const page = await store.listMessages(home, { folder: 'Received', status: undefined }, { limit: 1, cursor });
        expect(page.items.map((message) => message.id)).toEqual([messageId(2)]);
      });
    });

    describe('finding text', () => {
      beforeEach(async () => {
        await commit(
          put(messageId(1), { body: 'The Plumber comes at 8', subject: 'Boiler' }),
          put(messageId(2), {
            body: 'Crème brûlée — 100% "ready" AND OR NOT *',
            from: { address: '+49 1512 345', displayName: 'Zoë' },
          }),
          put(messageId(3), { body: '今晩の晩飯は鍋です', to: [{ address: 'ada@example.org' }] }),
          put(messageId(4), { body: 'Ужин в восемь', folder: 'Sent' }),
        );
      });

      it.each<[string, number[]]>([
        ['plumber', [1]],
        ['LUMB', [1]],
        ['boiler', [1]],
        ['comes 8', [1]],
        ['8', [1]],
        ['512', [2]],
        ['creme BRULEE', [2]],
        ['zoe', [2]],
        ['100%', [2]],
        ['"ready"', [2]],
        ['*', [2]],
        ['AND', [2]],
        ['晩飯', [3]],
        ['今晩の', [3]],
        ['ada@', [3]],
        ['ужин', [4]],
        ['вос УЖ', [4]],
        ['plumber creme', []],
        ['_', []],
        ['   ', [4, 3, 2, 1]],
        ['', [4, 3, 2, 1]],
      ])('finds “%s”', async (text, expected) => {
        expect(await ids({ text })).toEqual(expected.map(messageId));
      });

      it('takes any text for words, and no more than 500 characters of it', async () => {
        const long = 'a'.repeat(limits.bodyChars);
        await commit(put(messageId(5), { body: long }), put(messageId(6), { body: 'abc\0def \ud800 "NEAR(' }));
        expect(await ids({ text: long.slice(0, 500) })).toEqual([messageId(5)]);
        expect(await ids({ text: `${long.slice(0, 400)}b` })).toEqual([]);
        expect(await ids({ text: 'abc\0def' })).toEqual([messageId(6)]);
        expect(await ids({ text: '"near(' })).toEqual([messageId(6)]);
        for (const text of ['"', '\0\0\0', '\ud800\ud800\ud800', 'a* OR b:c ^d', numbers(1, 120).join(' ')])
          await ids({ text });
        await expect(ids({ text: long.slice(0, 501) })).rejects.toMatchObject({ code: 'invalid-request' });
      });

      it('joins text with every other filter', async () => {
        expect(await ids({ text: 'восемь', folder: 'Sent' })).toEqual([messageId(4)]);
        expect(await ids({ text: 'восемь', folder: 'Received' })).toEqual([]);
      });

      it('finds what a message says now, not what it said', async () => {
        await commit(put(messageId(1), { body: 'The electrician comes' }));
        expect(await ids({ text: 'plumber' })).toEqual([]);
        expect(await ids({ text: 'electrician' })).toEqual([messageId(1)]);
      });
    });

    describe('conversations', () => {
      const list = async () => (await store.listConversations(home, { limit: 200 })).items;

      it('gather what was said with the same people, whoever spoke', async () => {
        await commit(
          put(messageId(1), { from: { address: ' +1 ', displayName: 'Ann' } }),
          put(messageId(2), { folder: 'Sent', to: [{ address: '+1' }] }),
          put(messageId(3), { folder: 'Sent', to: [{ address: '+2' }, { address: '+1' }] }),
          put(messageId(4), { from: { address: '+1' } }, { session: sessionId(1) }),
        );
        expect(await list()).toMatchObject([
          { key: sessionId(1), session: sessionId(1), unread: 1, last: { id: messageId(4) } },
          { key: '+1\n+2', session: null, unread: 0, last: { id: messageId(3) } },
          {
            key: '+1',
            session: null,
            unread: 1,
            last: { id: messageId(2) },
            parties: [{ address: '+1', displayName: 'Ann' }],
          },
        ]);
        expect(await ids({ conversation: '+1' })).toEqual([messageId(2), messageId(1)]);
        expect(await store.countUnread(home)).toBe(2);
      });

      it('keep in step as messages are read, moved and deleted', async () => {
        await commit(...[1, 2, 3].map((n) => put(messageId(n))));
        await commit(put(messageId(3), { status: 'Read' }));
        expect(await list()).toMatchObject([{ unread: 2, last: { id: messageId(3), status: 'Read' } }]);
        await commit(put(messageId(3), { folder: 'Deleted', status: 'Read' }));
        expect(await list()).toMatchObject([{ unread: 2, last: { id: messageId(2) } }]);
        await commit({ type: 'message.delete', id: messageId(2) });
        expect(await list()).toMatchObject([{ unread: 1, last: { id: messageId(1) } }]);
        await commit(put(messageId(1), { folder: 'Deleted' }));
        expect(await list()).toEqual([]);
        expect(await store.countUnread(home)).toBe(0);
      });

      it('come in pages, the last spoken first', async () => {
        await commit(...numbers(1, 5).map((n) => put(messageId(n), { from: { address: `+${n}` } })));
        await commit(put(messageId(6), { from: { address: '+1' } }));
        const first = await store.listConversations(home, { limit: 3 });
        const rest = await store.listConversations(home, { limit: 3, cursor: first.next ?? undefined });
        expect([...first.items, ...rest.items].map((each) => each.key)).toEqual(['+1', '+5', '+4', '+3', '+2']);
        expect(rest.next).toBeNull();
      });
    });

    describe('sessions', () => {
      it('shows a session as it came, and tells of it once', async () => {
        const events = await commit(putSession(sessionId(1), { subject: 'Plumber' }));
        const session = {
          id: sessionId(1),
          sessionId: 's-1',
          home,
          phone: phone.id,
          sessionClass: 'Chat',
          status: 'Running',
          subject: 'Plumber',
          contentTypes: ['text/plain'],
          initiator: null,
          recipients: [{ address: '+1' }],
          startedAt: null,
          updatedAt: iso(clock.nowMs),
        };
        expect(events).toMatchObject([{ type: 'session.updated', data: session }]);
        expect(await store.getSession(home, sessionId(1))).toEqual(session);
        clock.nowMs += minuteMs;
        expect(await commit(putSession(sessionId(1), { subject: 'Plumber' }))).toEqual([]);
        expect(await store.getSession(home, sessionId(1))).toEqual(session);
        expect(await commit(putSession(sessionId(1)))).toMatchObject([
          { data: { subject: null, updatedAt: iso(clock.nowMs) } },
        ]);
        expect(await store.getSession(home, sessionId(2))).toBeUndefined();
      });

      it('never lets older news replace newer', async () => {
        await commit(putSession(sessionId(1), { status: 'Closed', updatedAt: '2026-11-22T11:00:00.002Z' }));
        expect(await commit(putSession(sessionId(1), { updatedAt: '2026-11-22T11:00:00.001Z' }))).toEqual([]);
        expect(await store.getSession(home, sessionId(1))).toMatchObject({ status: 'Closed' });
        expect(
          await commit(putSession(sessionId(1), { status: 'Parked', updatedAt: '2026-11-22T11:00:00.003Z' })),
        ).toHaveLength(1);
      });

      it('lists by class, status and phone in pages', async () => {
        await commit(
          putSession(sessionId(1)),
          putSession(sessionId(2), { status: 'Closed' }),
          putSession(sessionId(3), { sessionClass: 'File-Transfer' }),
        );
        const list = async (filter: object) =>
          (await store.listSessions(home, filter, { limit: 200 })).items.map((session) => session.id);
        expect(await list({})).toEqual([3, 2, 1].map(sessionId));
        expect(await list({ status: 'Running' })).toEqual([3, 1].map(sessionId));
        expect(await list({ status: 'Running', sessionClass: 'Chat', phone: phone.id })).toEqual([sessionId(1)]);
        expect(await list({ phone: 'p_none' })).toEqual([]);
        const first = await store.listSessions(home, {}, { limit: 2 });
        const rest = await store.listSessions(home, {}, { limit: 2, cursor: first.next ?? undefined });
        expect(rest).toMatchObject({ items: [{ id: sessionId(1) }], next: null });
      });

      it('tells how far a file is', async () => {
        const file = {
          fileId: 'f-1',
          sessionId: sessionId(1),
          name: 'cake.jpg',
          contentType: 'image/jpeg',
          sizeBytes: 9,
          url: '',
          direction: 'send',
          status: 'transferring',
          transferredBytes: 3,
        } as const;
        expect(await commit({ type: 'file.progress', phone: phone.id, file })).toMatchObject([
          { type: 'file.progress', data: { ...file, phone: phone.id } },
        ]);
      });
    });

    describe('commits', () => {
      it('are all or nothing, and a failing one does not touch those beside it', async () => {
        const poisoned = {
          ...put(messageId(2)),
          get message(): PhoneMessage {
            throw new Error('no message');
          },
        } as Write;
        const results = await Promise.allSettled([
          commit(put(messageId(1))),
          commit(put(messageId(3)), poisoned),
          commit(put(messageId(4))),
        ]);
        expect(results.map((result) => result.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
        expect(await ids()).toEqual([messageId(4), messageId(1)]);
        expect(await store.eventsAfter(home, '', 10)).toHaveLength(2);
        expect(await store.countUnread(home)).toBe(2);
      });

      it('answer in the order in which they were made, each with its own events', async () => {
        const order: number[] = [];
        const answers = await Promise.all(
          numbers(1, 300).map((n) =>
            commit(put(messageId(n), { messageId: `phone-${n}` })).then((events) => {
              order.push(n);
              return events;
            }),
          ),
        );
        expect(order).toEqual(numbers(1, 300));
        const events = answers.flat();
        expect(events.map((event) => (event.data as { id: string }).id)).toEqual(numbers(1, 300).map(messageId));
        expect(await store.eventsAfter(home, '', 1000)).toEqual(events);
        expect(ascending(events)).toBe(true);
      });

      it('keep two homes apart', async () => {
        await store.createHome({ id: 'other', account: 'account', name: 'Other', owner: 'Ada' });
        const theirs = only(await store.putPhones('other', [presence('uuid:1')]));
        await commit(put(messageId(1)), putSession(sessionId(1)), { type: 'send.create', message: send(messageId(7)) });
        const mine = await snapshot(store);
        expect(await snapshot(store, 'other')).toMatchObject({
          messages: [],
          conversations: [],
          sessions: [],
          events: [],
          unread: 0,
          open: [],
        });
        await store.commit('other', [
          { ...put(messageId(1), { body: 'theirs' }), phone: theirs.id } as Write,
          { type: 'message.delete', id: messageId(7) },
          putSession(sessionId(1), { status: 'Closed' }),
        ]);
        await store.commit('other', [{ type: 'message.delete', id: messageId(1) }]);
        expect(await snapshot(store)).toEqual(mine);
        expect(theirs.id).not.toBe(phone.id);
        expect(await store.getPhone(home, theirs.id)).toBeUndefined();
        expect(await store.getMessage('other', messageId(7))).toBeUndefined();
      });
    });

    describe('events', () => {
      it('go on after any of them, in their order', async () => {
        const events = await commit(...numbers(1, 5).map((n) => put(messageId(n))));
        expect(await store.eventsAfter(home, events[1]?.id ?? '', 10)).toEqual(events.slice(2));
        expect(await store.eventsAfter(home, events[1]?.id ?? '', 2)).toEqual(events.slice(2, 4));
        expect(await store.eventsAfter(home, events[4]?.id ?? '', 2)).toEqual([]);
        expect(await store.eventsAfter(home, '', 10)).toEqual(events);
      });

      it('never go back, whatever the clock does, also across a restart', async () => {
        const events = await commit(put(messageId(1)), put(messageId(2)));
        clock.nowMs -= 10 * minuteMs;
        events.push(...(await commit(put(messageId(3)))));
        await reopen();
        events.push(...(await commit(put(messageId(4)), put(messageId(5)))));
        clock.nowMs += 20 * minuteMs;
        events.push(...(await commit(put(messageId(6)))));
        expect(ascending(events)).toBe(true);
        expect(await store.eventsAfter(home, '', 10)).toEqual(events);
      });

      it('go on after any moment', async () => {
        const quiet = idFloor(clock.nowMs);
        expect(await store.eventsAfter(home, quiet, 10)).toEqual([]);
        const [first] = await commit(put(messageId(1)));
        clock.nowMs += minuteMs;
        const between = idFloor(clock.nowMs);
        expect(await store.eventsAfter(home, between, 10)).toEqual([]);
        const [second] = await commit(put(messageId(2)));
        expect(await store.eventsAfter(home, quiet, 10)).toEqual([first, second]);
        expect(await store.eventsAfter(home, between, 10)).toEqual([second]);
      });

      it('answer undefined for a point that is no longer kept, or that lies ahead', async () => {
        const [first] = await commit(put(messageId(1)));
        clock.nowMs += minuteMs;
        const [second] = await commit(put(messageId(2)));
        clock.nowMs += dayMs - minuteMs / 2;
        expect(await store.eventsAfter(home, '', 10)).toBeUndefined();
        expect(await store.eventsAfter(home, first?.id ?? '', 10)).toEqual([second]);
        clock.nowMs += minuteMs;
        expect(await store.eventsAfter(home, first?.id ?? '', 10)).toBeUndefined();
        expect(await store.eventsAfter(home, second?.id ?? '', 10)).toEqual([]);
        expect(await store.eventsAfter(home, '7ZZZZZZZZZZZZZZZZZZZZZZZZZ', 10)).toBeUndefined();
        expect(await store.eventsAfter(home, idFloor(clock.nowMs + minuteMs), 10)).toBeUndefined();
        expect(await store.eventsAfter('nowhere', '', 10)).toBeUndefined();
      });
    });

    describe('requests under a key', () => {
      const answer = { status: 201, body: '{"id":"m_1"}' };

      it('are begun once; their twin waits, and then gets the same answer', async () => {
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'new' });
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'running' });
        expect(await store.beginRequest('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
        await store.finishRequest('t_1', 'key', answer);
        await store.finishRequest('t_1', 'key', { status: 500, body: 'late' });
        await reopen();
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'done', ...answer });
        expect(await store.beginRequest('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
        expect(await store.beginRequest('t_2', 'key', 'other')).toEqual({ state: 'new' });
        expect(await store.beginRequest('t_1', 'key 2', 'other')).toEqual({ state: 'new' });
      });

      it('are begun by one of many', async () => {
        const begun = await Promise.all(Array.from({ length: 50 }, () => store.beginRequest('t_1', 'key', 'print')));
        expect(begun.filter(({ state }) => state === 'new')).toHaveLength(1);
      });

      it('are forgotten when they were abandoned, or after 24 hours', async () => {
        await store.beginRequest('t_1', 'key', 'print');
        await store.abandonRequest('t_1', 'key');
        expect(await store.beginRequest('t_1', 'key', 'other')).toEqual({ state: 'new' });
        await store.finishRequest('t_1', 'key', answer);
        await store.abandonRequest('t_1', 'key');
        clock.nowMs += dayMs - 1;
        expect(await store.beginRequest('t_1', 'key', 'other')).toMatchObject({ state: 'done' });
        clock.nowMs += 1;
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'new' });
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'running' });
      });

      it('are begun anew by one when the process that began them is surely gone', async () => {
        await store.beginRequest('t_1', 'key', 'print');
        clock.nowMs += 2 * minuteMs;
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'running' });
        clock.nowMs += 10 * minuteMs;
        expect(await store.beginRequest('t_1', 'key', 'other')).toEqual({ state: 'conflict' });
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'new' });
        expect(await store.beginRequest('t_1', 'key', 'print')).toEqual({ state: 'running' });
      });
    });

    function tokenRecord(id: string, more: Partial<TokenRecord> = {}): TokenRecord {
      return {
        id,
        kind: 'api',
        hash: `hash of ${id}`,
        account: 'account',
        home: null,
        name: 'script',
        scopes: [],
        createdAtMs: clock.nowMs,
        expiresAtMs: null,
        revokedAtMs: null,
        ...more,
      };
    }
  });
}

async function snapshot(store: Store, of = home) {
  return {
    messages: (await store.listMessages(of, {}, { limit: 200 })).items,
    conversations: (await store.listConversations(of, { limit: 200 })).items,
    sessions: (await store.listSessions(of, {}, { limit: 200 })).items,
    phones: await store.listPhones(of),
    events: await store.eventsAfter(of, '', 1000),
    unread: await store.countUnread(of),
    open: await store.openSends(of, ['queued'], 10),
    home: await store.getHome(of),
  };
}

function numbers(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function ascending(events: readonly HomeEvent[]): boolean {
  return events.every((event, index) => index === 0 || (events[index - 1]?.id ?? '') < event.id);
}

function only<Item>(items: readonly Item[]): Item {
  const [item] = items;
  if (item === undefined || items.length !== 1) throw new Error(`One was expected, not ${items.length}.`);
  return item;
}

const iso = (timeMs: number) => new Date(timeMs).toISOString();
