// Access over a true store: who is let in, what they may do, and when it ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Access, type Grant } from '../../../cloud/access/access.ts';
import { everyScope, type Scope, scopes } from '../../../cloud/access/scopes.ts';
import { hashSecret, newSecret } from '../../../cloud/access/secret.ts';
import { interceptStore } from '../../../cloud/store/intercept.ts';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';

const account = 'account';
const minuteMs = 60_000;
const dayMs = 24 * 3_600_000;

let folder: string;
let store: SqliteStore;
let access: Access;
const clock = { nowMs: 0, now: () => clock.nowMs };

beforeEach(async () => {
  clock.nowMs = Date.UTC(2026, 10, 22, 12);
  folder = mkdtempSync(join(tmpdir(), 'homeline-access-'));
  store = new SqliteStore({ path: join(folder, 'homeline.db'), clock });
  await store.start();
  await store.homes.create({ id: 'home', account, name: 'Home', owner: 'Ada' });
  await store.homes.create({ id: 'cabin', account, name: 'Cabin', owner: 'Ada' });
  await store.homes.create({ id: 'theirs', account: 'other', name: 'Theirs', owner: 'Bob' });
  access = new Access({ store, clock });
});
afterEach(async () => {
  await store.stop();
  rmSync(folder, { recursive: true, force: true });
});

function grant(more: Partial<Grant> = {}): Grant {
  return { account, home: null, name: 'script', scopes: ['messages:read'], ...more };
}

/** The same store, with its look-ups of tokens counted. */
function countingAccess(before: () => Promise<void> = async () => {}) {
  const counts = { lookUps: 0 };
  const counted = interceptStore(store, async (operation, call) => {
    if (operation !== 'tokens.find') return call();
    counts.lookUps++;
    const token = await call();
    await before();
    return token;
  });
  return { counts, access: new Access({ store: counted, clock }) };
}

describe('a secret', () => {
  it('is hl_ and 256 random bits, and is looked up by its SHA-256', () => {
    expect(newSecret()).toMatch(/^hl_[\w-]{43}$/);
    expect(newSecret()).not.toBe(newSecret());
    expect(hashSecret('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
  });

  it('is kept nowhere', async () => {
    const { id, token } = await access.issue('api', grant());
    const [record] = await access.list(account, { kind: 'api' });
    expect(record).toMatchObject({ id, hash: hashSecret(token) });
    expect(JSON.stringify(record)).not.toContain(token);
  });
});

describe('a token', () => {
  it('says who holds it, and lets them do what its scopes say, at the homes of its account', async () => {
    const { token, expiresAtMs } = await access.issue('api', grant());
    const principal = await access.identify(token);
    expect(expiresAtMs).toBeNull();
    expect(principal?.token).toMatchObject({ account, kind: 'api', name: 'script' });
    expect(principal?.homes).toEqual(['cabin', 'home']);
    expect(principal?.may('messages:read', 'home')).toBe(true);
    expect(principal?.may('messages:read')).toBe(true);
    expect(principal?.may('messages:send', 'home')).toBe(false);
    expect(principal?.may('messages:read', 'theirs')).toBe(false);
    expect(principal?.may('messages:read', 'nowhere')).toBe(false);
  });

  it('of one home opens no other', async () => {
    const { token } = await access.issue('api', grant({ home: 'home' }));
    const principal = await access.identify(token);
    expect(principal?.homes).toEqual(['home']);
    expect(principal?.may('messages:read', 'cabin')).toBe(false);
  });

  it('of the owner may do everything at every home, and an agent’s nothing', async () => {
    const owner = await access.identify((await access.issue('owner', grant({ scopes: [] }))).token);
    const agent = await access.identify((await access.issue('agent', grant({ home: 'home', scopes: [] }))).token);
    expect(scopes.filter((scope) => !owner?.may(scope, 'home'))).toEqual([]);
    expect(owner?.may('homes:read', 'theirs')).toBe(false);
    expect(scopes.filter((scope) => agent?.may(scope, 'home'))).toEqual([]);
    expect(agent?.token.kind).toBe('agent');
  });

  it.each(['', 'hl_', 'nobody knows me', 'hl_'.padEnd(46, 'A'), '☃'])(
    'that never was (%o) is nobody’s',
    async (secret) => {
      expect(await access.identify(secret)).toBeUndefined();
    },
  );

  it('is refused for a scope that does not exist, or a home that is not the account’s', async () => {
    await expect(access.issue('api', grant({ scopes: ['all'] }))).rejects.toMatchObject({ code: 'invalid-request' });
    await expect(access.issue('api', grant({ home: 'theirs' }))).rejects.toMatchObject({ code: 'not-found' });
    await expect(access.issue('agent', grant({ home: 'nowhere' }))).rejects.toMatchObject({ code: 'not-found' });
    expect(await access.list(account, { kind: 'api' })).toEqual([]);
  });

  it('gives only what its holder has', async () => {
    const holder = async (home: string | null, ...held: string[]) =>
      access.identify((await access.issue('api', grant({ home, scopes: held }))).token);
    const limited = await holder('home', 'tokens:manage', 'messages:read');
    const forbidden = { code: 'forbidden' };
    await expect(access.issue('api', grant({ home: 'cabin' }), limited)).rejects.toMatchObject(forbidden);
    await expect(access.issue('api', grant({ home: null }), limited)).rejects.toMatchObject(forbidden);
    for (const more of ['messages:send', everyScope]) {
      const wanted = grant({ home: 'home', scopes: ['messages:read', more] });
      await expect(access.issue('api', wanted, limited)).rejects.toMatchObject(forbidden);
    }
    await access.issue('api', grant({ home: 'home' }), limited);
    await access.issue('api', grant({ home: 'cabin', scopes: [everyScope] }), await holder(null, everyScope));
  });
});

describe('identifying', () => {
  it('asks the store once in five seconds, however many ask', async () => {
    const { token } = await access.issue('api', grant());
    const { counts, access: counted } = countingAccess();
    await Promise.all(Array.from({ length: 100 }, () => counted.identify(token)));
    clock.nowMs += 4_999;
    expect(await counted.identify(token)).toBeDefined();
    expect(counts.lookUps).toBe(1);
    clock.nowMs += 1;
    await counted.identify(token);
    expect(counts.lookUps).toBe(2);
  });

  it('notices at once that a token was revoked, also while it is being looked up', async () => {
    const { token } = await access.issue('api', grant());
    const [record] = await access.list(account, { kind: 'api' });
    if (record === undefined) throw new Error('There is no such token.');
    const gate = Promise.withResolvers<void>();
    const { access: counted } = countingAccess(() => gate.promise);
    const before = counted.identify(token);
    expect(await counted.revoke(record)).toBe(true);
    gate.resolve();
    await before;
    expect(await counted.identify(token)).toBeUndefined();
    expect(await counted.revoke(record)).toBe(false);
    expect(await counted.revoke({ ...record, account: 'other' })).toBe(false);
  });

  it('notices at once that a token has expired', async () => {
    const session = await access.signIn((await access.createSignIn(account)).token);
    clock.nowMs = (session?.expiresAtMs ?? 0) - 1;
    expect(await access.identify(session?.token ?? '')).toBeDefined();
    clock.nowMs += 1;
    expect(await access.identify(session?.token ?? '')).toBeUndefined();
  });

  it('is not crowded out by guesses, and stays small', async () => {
    const { token } = await access.issue('api', grant());
    const { counts, access: counted } = countingAccess();
    await counted.identify(token);
    for (let n = 0; n < 1_500; n++) await counted.identify(`guess ${n}`);
    counts.lookUps = 0;
    await counted.identify(token);
    expect(counts.lookUps).toBe(0);
    await Promise.all(Array.from({ length: 1_500 }, (_, n) => counted.identify(`guess ${n}`)));
    counts.lookUps = 0;
    await counted.identify(token);
    expect(counts.lookUps).toBe(1);
  });

  it('does not take a failure of the store for an answer', async () => {
    const { token } = await access.issue('api', grant());
    await store.stop();
    await expect(access.identify(token)).rejects.toMatchObject({ code: 'store-unavailable' });
    await store.start();
    expect(await access.identify(token)).toBeDefined();
  });
});

describe('signing in', () => {
  it('takes a code once, for a session of 30 days', async () => {
    const { token: code, expiresAtMs } = await access.createSignIn(account);
    expect(expiresAtMs).toBe(clock.nowMs + 15 * minuteMs);
    expect(await access.identify(code)).toBeUndefined();
    const sessions = await Promise.all(Array.from({ length: 10 }, () => access.signIn(code)));
    const session = sessions.find((each) => each !== undefined);
    expect(sessions.filter((each) => each !== undefined)).toHaveLength(1);
    expect(session?.expiresAtMs).toBe(clock.nowMs + 30 * dayMs);
    const principal = await access.identify(session?.token ?? '');
    expect(principal?.token.kind).toBe('session');
    expect(scopes.every((scope: Scope) => principal?.may(scope, 'home'))).toBe(true);
    if (principal === undefined) throw new Error('The session is not known.');
    expect(await access.revoke(principal.token)).toBe(true);
    expect(await access.identify(session?.token ?? '')).toBeUndefined();
  });

  it('refuses a code after 15 minutes, and what is no code', async () => {
    const { token: code } = await access.createSignIn(account);
    clock.nowMs += 15 * minuteMs;
    expect(await access.signIn(code)).toBeUndefined();
    expect(await access.signIn('no code')).toBeUndefined();
    expect(await access.signIn((await access.issue('owner', grant())).token)).toBeUndefined();
  });

  it('opens the dashboard to the owner’s token and to no other', async () => {
    const principal = async (kind: 'owner' | 'api') => {
      const found = await access.identify((await access.issue(kind, grant({ scopes: [everyScope] }))).token);
      if (found === undefined) throw new Error('There is no such token.');
      return found;
    };
    const session = await access.signInAs(await principal('owner'));
    expect((await access.identify(session.token))?.may('tokens:manage')).toBe(true);
    await expect(access.signInAs(await principal('api'))).rejects.toMatchObject({ code: 'forbidden' });
  });
});

describe('the owner', () => {
  const fresh = { account: 'new', home: 'villa' };
  const preset = (letter: string) => ({ ...fresh, presetToken: letter.repeat(32) });

  it('is given a token at the first start and no other afterwards', async () => {
    const { token } = await access.ensureOwner(fresh);
    expect((await access.identify(token ?? ''))?.may('tokens:manage', 'villa')).toBe(true);
    expect(await access.ensureOwner(fresh)).toEqual({});
    expect(await store.homes.get('villa')).toMatchObject({ account: 'new' });
    expect(await access.list('new', { kind: 'owner' })).toHaveLength(1);
  });

  it('passes with the preset token, which is shown nowhere', async () => {
    expect(await access.ensureOwner(preset('a'))).toEqual({});
    expect(await access.ensureOwner(preset('a'))).toEqual({});
    expect((await access.identify('a'.repeat(32)))?.token.kind).toBe('owner');
    expect(await access.list('new', { kind: 'owner' })).toHaveLength(1);
  });

  it('passes only with the last preset token, and may come back to an earlier one', async () => {
    const { token } = await access.ensureOwner(fresh);
    for (const letter of ['a', 'b', 'a', 'b']) {
      await access.ensureOwner(preset(letter));
      const other = letter === 'a' ? 'b' : 'a';
      expect(await access.identify(letter.repeat(32))).toBeDefined();
      expect(await access.identify(other.repeat(32))).toBeUndefined();
    }
    expect(await access.identify(token ?? '')).toBeDefined();
    expect(await access.ensureOwner(fresh)).toEqual({});
  });

  it('has all sessions ended by another preset token, and none by the same', async () => {
    await access.ensureOwner(preset('a'));
    const { token: link } = await access.createSignIn('new');
    const session = await access.signIn((await access.createSignIn('new')).token);
    await access.ensureOwner(preset('a'));
    expect(await access.identify(session?.token ?? '')).toBeDefined();
    await access.ensureOwner(preset('b'));
    expect(await access.identify(session?.token ?? '')).toBeUndefined();
    expect(await access.signIn(link)).toBeUndefined();
  });

  it('is refused a preset token that could be guessed', async () => {
    await expect(access.ensureOwner({ ...fresh, presetToken: 'a'.repeat(31) })).rejects.toMatchObject({
      code: 'invalid-request',
    });
    expect(await store.homes.get('villa')).toBeUndefined();
  });
});
