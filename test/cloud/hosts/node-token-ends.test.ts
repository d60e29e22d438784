// Streams of the Node host end with their token, also where this process is not told: another process revoked the token,
// or it expired.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SqliteStore } from '../../../cloud/store/sqlite.ts';
import { closeCodes } from '../../../protocol/frames.ts';
import { ownerToken, patiently, RunningCloud } from './running-cloud.ts';

const clock = { aheadMs: 0, now: () => Date.now() + clock.aheadMs };
let folder: string;
let store: SqliteStore;
let cloud: RunningCloud;

beforeEach(async () => {
  clock.aheadMs = 0;
  folder = mkdtempSync(join(tmpdir(), 'homeline-token-ends-'));
  store = new SqliteStore({ path: join(folder, 'cloud.db'), clock });
  cloud = new RunningCloud({ store, clock });
  await cloud.start();
});
afterEach(async () => {
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A stream that tells when it has ended. */
async function follow(headers: Record<string, string>) {
  const answer = await fetch(`${cloud.url}/v1/homes/home/events`, { headers });
  expect(answer.status).toBe(200);
  const stream = { hasEnded: false };
  void answer.text().finally(() => {
    stream.hasEnded = true;
  });
  return stream;
}

it('that another process revoked', async () => {
  const { id, token } = (await cloud.post('/v1/tokens', { name: 'r', scopes: ['events:read'] })).body;
  const stream = await follow({ authorization: `Bearer ${token}` });
  const other = await follow({ authorization: `Bearer ${ownerToken}` });
  await store.tokens.revoke('household', id);
  await expect.poll(() => stream.hasEnded, patiently).toBe(true);
  expect(other.hasEnded).toBe(false);
});

it('cuts the tunnel of an agent whose token another process revoked', async () => {
  const { agent } = await cloud.homeWithPhone();
  const [token] = await store.tokens.list('household', { kind: 'agent' });
  await store.tokens.revoke('household', token?.id ?? '');
  await agent.until(() => agent.closeCode !== undefined);
  expect(agent.closeCode).toBe(closeCodes.revoked);
  expect((await cloud.get('/v1/homes/home')).body.phones).toMatchObject([{ online: false }]);
});

it('whose session has expired', async () => {
  const answer = await fetch(`${cloud.url}/v1/sign-in`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: ownerToken }),
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  const stream = await follow({ cookie });
  clock.aheadMs = 31 * 24 * 3_600_000;
  await expect.poll(() => stream.hasEnded, patiently).toBe(true);
});

it('is not opened with a token that was just revoked, although it is still cached', async () => {
  const { id, token } = (await cloud.post('/v1/tokens', { name: 'r', scopes: ['events:read'] })).body;
  const headers = { authorization: `Bearer ${token}` };
  expect((await cloud.get('/v1/me', headers)).status).toBe(200);
  await store.tokens.revoke('household', id);
  expect((await cloud.get('/v1/homes/home/events', headers)).status).toBe(401);
});
