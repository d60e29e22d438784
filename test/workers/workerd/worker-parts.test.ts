// The Worker's smaller parts: settings, deadlines, R2 and the dashboard's files.
import { env, exports } from 'cloudflare:workers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { R2Blobs } from '../../../cloud/hosts/worker-blobs.ts';
import { ObjectDeadlines } from '../../../cloud/hosts/worker-deadlines.ts';
import { readWorkerSettings } from '../../../cloud/hosts/worker-settings.ts';
import { SharedStore } from '../../../cloud/hosts/worker-store.ts';
import type { Store } from '../../../cloud/store/store.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('settings', () => {
  const complete = {
    HOMELINE_OWNER_TOKEN: 'x'.repeat(32),
    HOMELINE_TABLE: 'homeline',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'key',
  };

  it('are read beside bindings, which are no strings', () => {
    const settings = readWorkerSettings({ ...complete, HOMES: {}, FILES: {} });
    expect(settings).toMatchObject({ home: 'home', table: 'homeline', region: 'eu-central-1', log: 'warn' });
  });

  it('that are wrong are all named at once, each with what to do, and no secret is repeated', () => {
    const read = () => readWorkerSettings({ ...complete, HOMELINE_OWNER_TOKEN: 'too short', AWS_REGION: '' });
    expect(read).toThrow(/HOMELINE_OWNER_TOKEN: needs 32[\s\S]*AWS_REGION: is missing/);
    expect(read).not.toThrow(/too short/);
    expect(() => readWorkerSettings({})).toThrow(/wrangler secret put AWS_SECRET_ACCESS_KEY/);
  });
});

describe('deadlines of an object', () => {
  function made() {
    vi.useFakeTimers();
    const alarms: (number | undefined)[] = [];
    const deadlines = new ObjectDeadlines({
      setAlarm: async (atMs) => void alarms.push(atMs),
      deleteAlarm: async () => void alarms.push(undefined),
    });
    return { deadlines, alarms, fired: [] as string[] };
  }

  it('of a call are timers, which are cleared when they are cancelled', () => {
    const { deadlines, alarms, fired } = made();
    const cancel = deadlines.after(120_250, () => fired.push('late'));
    deadlines.after(50, () => fired.push('soon'));
    cancel();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(200_000);
    expect(fired).toEqual(['soon']);
    expect(alarms).toEqual([]);
  });

  it('of hours share one alarm, the earliest, and no timer', () => {
    const { deadlines, alarms, fired } = made();
    const nowMs = Date.now();
    deadlines.after(7_200_000, () => fired.push('second'));
    const cancel = deadlines.after(3_600_000, () => fired.push('first'));
    deadlines.after(7_300_000, () => fired.push('third'));
    expect(alarms).toEqual([nowMs + 7_200_000, nowMs + 3_600_000]);
    expect(vi.getTimerCount()).toBe(0);
    cancel();
    expect(alarms.at(-1)).toBe(nowMs + 7_200_000);
    vi.setSystemTime(nowMs + 7_200_001);
    deadlines.fireDue();
    expect(fired).toEqual(['second']);
    expect(alarms.at(-1)).toBe(nowMs + 7_300_000);
  });

  it('leave no alarm when the last one is cancelled', () => {
    const { deadlines, alarms } = made();
    deadlines.after(3_600_000, () => undefined)();
    expect(alarms.at(-1)).toBeUndefined();
    expect(alarms).toHaveLength(2);
  });

  it('keep an alarm from before an eviction until it rings', () => {
    const { deadlines, alarms } = made();
    const nowMs = Date.now();
    deadlines.resume(nowMs + 600_000);
    const cancel = deadlines.after(3_600_000, () => undefined);
    cancel();
    expect(alarms).toEqual([]);
    deadlines.after(300_000, () => undefined)();
    expect(alarms).toEqual([nowMs + 300_000, nowMs + 600_000]);
    deadlines.fireDue();
    deadlines.after(3_600_000, () => undefined);
    expect(alarms.at(-1)).toBe(nowMs + 3_600_000);
  });

  it('may be set again by the one that fires', () => {
    const { deadlines, alarms, fired } = made();
    const nowMs = Date.now();
    deadlines.after(200_000, () => deadlines.after(300_000, () => fired.push('again')));
    vi.setSystemTime(nowMs + 200_000);
    deadlines.fireDue();
    expect(alarms.at(-1)).toBe(nowMs + 500_000);
  });
});

it('texts in R2 are stored, read and deleted, and may be absent', async () => {
  const blobs = new R2Blobs(env.FILES);
  expect(await blobs.get('home/none')).toBeUndefined();
  await blobs.delete('home/none');
  await blobs.put('home/one', 'à la carte');
  await blobs.put('home/one', 'à la carte');
  expect(await blobs.get('home/one')).toBe('à la carte');
  await blobs.delete('home/one');
  expect(await blobs.get('home/one')).toBeUndefined();
});

it('a store that could not start is started by the next caller, and only once', async () => {
  let starts = 0;
  const start = async () => {
    if (++starts === 1) throw new Error('away');
  };
  const shared = new SharedStore({ start } as Store);
  await expect(shared.open()).rejects.toThrow('away');
  await Promise.all([shared.open(), shared.open()]);
  expect(starts).toBe(2);
});

describe('the dashboard', () => {
  const get = (path: string, accept = '*/*') =>
    exports.default.fetch(`http://localhost${path}`, { headers: { accept } });

  it('is a page at every address that a browser opens, with the security headers', async () => {
    for (const path of ['/', '/conversations/%2B390110001']) {
      const page = await get(path, 'text/html');
      expect(page.status).toBe(200);
      expect(await page.text()).toContain('<!doctype html>');
      expect(page.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(page.headers.get('cache-control')).toBe('no-cache');
    }
  });

  it('keeps hashed assets for ever', async () => {
    const page = await (await get('/', 'text/html')).text();
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1] ?? '';
    const asset = await get(script);
    expect(asset.headers.get('content-type')).toContain('javascript');
    expect(asset.headers.get('cache-control')).toContain('immutable');
    expect((await asset.text()).length).toBeGreaterThan(1000);
  });

  it('has no page for requests that no browser makes', async () => {
    expect((await get('/assets/none.js')).status).toBe(404);
    expect((await get('/conversations')).status).toBe(404);
  });
});

it('answers /healthz without its store', async () => {
  expect(await (await exports.default.fetch('http://localhost/healthz')).text()).toBe('ok');
});
