// Account, HomeState, Conversations, SessionState, FileState, Tokens and Devices against a real cloud.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Api } from '../../../cloud/dashboard/api.ts';
import { Account } from '../../../cloud/dashboard/state/account.ts';
import { Conversations } from '../../../cloud/dashboard/state/conversations.ts';
import { Devices } from '../../../cloud/dashboard/state/devices.ts';
import { FileState } from '../../../cloud/dashboard/state/files.ts';
import { HomeState } from '../../../cloud/dashboard/state/home.ts';
import { SessionState } from '../../../cloud/dashboard/state/sessions.ts';
import { Tokens } from '../../../cloud/dashboard/state/tokens.ts';
import type { Home, HomeEvent } from '../../../protocol/model.ts';
import type { FileInfo, PhoneSession } from '../../../protocol/phone-model.ts';
import { BrowserPage, until } from './browser-page.ts';

const chat: PhoneSession = {
  sessionId: 's-1',
  sessionClass: 'Chat',
  status: 'Pending',
  contentTypes: ['text/plain'],
  recipients: [{ address: 'xmpp:ada@example.org', state: 'joined' }],
  updatedAt: '2026-11-22T12:00:00.000Z',
};

let page: BrowserPage;
beforeEach(async () => {
  page = await BrowserPage.open();
});
afterEach(() => page.close());

async function openHome(api = new Api(() => undefined)): Promise<{ api: Api; home: HomeState }> {
  await page.signIn();
  const home = new HomeState(api);
  await home.load();
  return { api, home };
}

describe('the account', () => {
  it('signs in by a link once, and removes the code from the address', async () => {
    const code = await page.signInCode();
    location.hash = `#sign-in=${code}`;
    const account = new Account(new Api(() => account.end()));
    await account.start();
    expect(account.state.value).toEqual({ kind: 'signed-in' });
    expect(location.hash).toBe('');
    location.hash = `#sign-in=${code}`;
    await account.start();
    expect(account.state.value).toEqual({ kind: 'signed-out', why: 'spent' });
  });

  it('retries the same code when no answer came', async () => {
    location.hash = `#sign-in=${await page.signInCode()}`;
    const account = new Account(new Api(() => account.end()));
    page.isCut = true;
    await account.start();
    expect(account.state.value).toMatchObject({ kind: 'unreachable' });
    page.isCut = false;
    await account.retry();
    expect(account.state.value).toEqual({ kind: 'signed-in' });
  });

  it('ends when the session is revoked elsewhere, and refuses a wrong token', async () => {
    const api = new Api(() => account.end());
    const account = new Account(api);
    await page.signIn();
    await account.check();
    expect(account.state.value).toEqual({ kind: 'signed-in' });
    const devices = new Devices(api);
    await devices.refresh();
    expect(devices.items.value).toMatchObject([{ current: true }]);
    const [device] = devices.items.value ?? [];
    if (device !== undefined) await devices.signOut(device).catch(() => undefined);
    expect(account.state.value).toEqual({ kind: 'signed-out', why: 'ended' });
    await account.signInWithToken(`hl_${'z'.repeat(43)}`);
    expect(account.state.value).toEqual({ kind: 'signed-out', why: 'refused' });
  });
});

describe('the home', () => {
  it('keeps what an event told while it was being loaded', async () => {
    const { home } = await openHome();
    const [phone] = home.phones.value;
    if (phone === undefined) throw new Error('The home has a phone.');
    expect(phone.online).toBe(true);
    const release = page.hold(/GET \/v1\/homes\/home$/);
    const reload = home.refresh();
    await until('the request', () => page.requestsTo(/GET \/v1\/homes\/home$/).length === 1);
    const event = {
      type: 'phone.offline',
      id: '1',
      home: 'home',
      time: '2026-11-22T12:00:00.000Z',
      data: { ...phone, online: false },
    };
    expect(home.follow(event as HomeEvent)).toBe(true);
    release();
    await reload;
    expect(page.requestsTo(/GET \/v1\/homes\/home$/)).toHaveLength(2);
    expect(home.phoneSince.value.get(phone.id)).toBe('2026-11-22T12:00:00.000Z');
  });

  it('follows the home going offline and online, and no other event', async () => {
    const { home } = await openHome();
    const at = {
      id: '1',
      home: 'home',
      time: '2026-11-22T12:00:00.000Z',
      data: { home: 'home', since: '2026-11-22T12:00:00.000Z' },
    };
    expect(home.follow({ ...at, type: 'home.offline' } as HomeEvent)).toBe(true);
    expect(home.current.value).toMatchObject({ online: false, since: '2026-11-22T12:00:00.000Z' });
    expect(home.follow({ ...at, type: 'home.online' } as HomeEvent)).toBe(true);
    expect(home.current.value).toMatchObject({ online: true });
    expect(home.follow({ ...at, type: 'message.deleted' } as unknown as HomeEvent)).toBe(false);
  });

  it('changes its settings, revokes and approves a phone, and remembers the chosen home', async () => {
    const { home } = await openHome();
    await home.change({ name: 'Casa', keepDays: 30 });
    expect(home.current.value).toMatchObject({ name: 'Casa', keepDays: 30 });
    const [phone] = home.phones.value;
    if (phone === undefined) throw new Error('The home has a phone.');
    await home.approve(phone, false);
    expect(home.approvedPhones.value).toEqual([]);
    await home.approve(phone, true);
    expect(home.approvedPhones.value).toHaveLength(1);
    expect(home.sendableClasses(home.phone(phone.id))).toEqual(['SMS', 'e-Mail']);
    expect(home.sendableClasses(undefined)).toContain('Instant Message');
    home.choose('home');
    expect(page.storage.get('homeline.home')).toBe('home');
  });

  it('shows homes by name order of their phones', async () => {
    const { home } = await openHome();
    const shown: Home | undefined = home.current.value;
    expect(shown?.phones.map(({ name }) => name)).toEqual(['Hall phone']);
    expect(home.path('/messages')).toBe('/v1/homes/home/messages');
  });
});

describe('the conversations', () => {
  it('are listed with their unread count, filtered immediately and searched in the whole store', async () => {
    const { api, home } = await openHome();
    await page.home.receive('Dinner at eight?');
    await page.home.receive('The plumber comes', { from: { address: '+390110002', displayName: 'Ada' } });
    const conversations = new Conversations(api, home);
    await conversations.refresh();
    expect(conversations.unread.value).toBe(2);
    expect(conversations.items.value?.map(({ key }) => key)).toEqual(['+390110002', '+390110001']);
    conversations.search('nonna', (fault) => expect.unreachable(String(fault)));
    expect(conversations.visible.value.map(({ key }) => key)).toEqual(['+390110001']);
    conversations.search('plumber', (fault) => expect.unreachable(String(fault)));
    await until('the search', () => conversations.found.value.length === 1);
    expect(conversations.found.value).toMatchObject([{ body: 'The plumber comes' }]);
    conversations.search(' ', () => undefined);
    expect(conversations.found.value).toEqual([]);
    conversations.stop();
    expect(conversations.items.value).toBeUndefined();
  });

  it('load further pages without repeating one', async () => {
    const { api, home } = await openHome();
    for (let count = 10; count < 70; count++) await page.home.receive('x', { from: { address: `+3901100${count}` } });
    const conversations = new Conversations(api, home);
    await conversations.refresh();
    expect(conversations.items.value).toHaveLength(50);
    await Promise.all([conversations.loadMore(), conversations.loadMore()]);
    expect(conversations.items.value).toHaveLength(60);
    expect(new Set(conversations.items.value?.map(({ key }) => key)).size).toBe(60);
    await conversations.refresh();
    expect(conversations.items.value).toHaveLength(60);
  });
});

describe('the sessions', () => {
  it('keep a session that an event brought while the list was loading', async () => {
    const { api, home } = await openHome();
    await page.home.putSession(chat);
    const sessions = new SessionState(api, home);
    await sessions.refresh();
    const [listed] = sessions.items.value ?? [];
    if (listed === undefined) throw new Error('One session was stored.');
    const release = page.hold(/GET .*\/sessions\?/);
    const reload = sessions.refresh();
    await until('the request', () => page.requestsTo(/GET .*\/sessions\?/).length === 2);
    sessions.put({ ...listed, status: 'Running' });
    release();
    await reload;
    expect(sessions.get(listed.id)).toMatchObject({ status: 'Running' });
  });

  it('take a step at the phone and show the session as it is then', async () => {
    const { api, home } = await openHome();
    await page.home.putSession(chat);
    const sessions = new SessionState(api, home);
    await sessions.refresh();
    const [session] = sessions.items.value ?? [];
    if (session === undefined) throw new Error('One session was stored.');
    page.home.does.AcceptSession = () => {
      const known = page.home.sessions.get('s-1');
      if (known !== undefined) known.session = { ...known.session, status: 'Running' };
      return { results: {} };
    };
    await sessions.take(session, 'accept');
    expect(sessions.get(session.id)).toMatchObject({ status: 'Running' });
    await sessions.load(session.id);
    expect(sessions.items.value).toHaveLength(1);
  });

  it('have files, which events update while the session is open', async () => {
    const { api, home } = await openHome();
    await page.home.putSession({ ...chat, sessionClass: 'File-Transfer', status: 'Running' });
    const sessions = new SessionState(api, home);
    await sessions.refresh();
    const [session] = sessions.items.value ?? [];
    if (session === undefined) throw new Error('One session was stored.');
    const file: FileInfo = {
      fileId: 'f-1',
      sessionId: 's-1',
      name: 'a.jpg',
      contentType: 'image/jpeg',
      sizeBytes: 10,
      url: '',
      direction: 'receive',
      status: 'transferring',
      transferredBytes: 1,
    };
    page.home.does.GetFileTransferSession = () => ({ results: { FileInfoList: [file] } });
    const files = new FileState(api, home);
    await files.open(session);
    expect(files.items.value).toMatchObject([{ fileId: 'f-1', status: 'transferring' }]);
    const phone = session.phone;
    files.put({ ...file, status: 'completed', phone });
    files.put({ ...file, fileId: 'f-2', phone });
    files.put({ ...file, fileId: 'f-3', phone: 'p_other' });
    expect(files.items.value?.map(({ fileId, status }) => [fileId, status])).toEqual([
      ['f-1', 'completed'],
      ['f-2', 'transferring'],
    ]);
    files.close();
    files.put({ ...file, phone });
    expect(files.items.value).toBeUndefined();
  });
});

describe('tokens', () => {
  it('show the secret of a new token once, and are gone after a revocation', async () => {
    const { api } = await openHome();
    const tokens = new Tokens(api, () => '/v1/tokens');
    await tokens.create({ name: 'Script', scopes: ['messages:read'] });
    expect(tokens.secret.value).toMatch(/^hl_/);
    const made = tokens.items.value?.find(({ name }) => name === 'Script');
    expect(made).toMatchObject({ scopes: ['messages:read'] });
    if (made !== undefined) await tokens.revoke(made);
    expect(tokens.items.value?.some(({ name }) => name === 'Script')).toBe(false);
    tokens.stop();
    expect([tokens.items.value, tokens.secret.value]).toEqual([undefined, undefined]);
  });
});
