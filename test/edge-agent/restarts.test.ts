// A phone on another machine is killed and restarted, on IPv4 and link-local IPv6. Requirements D13–D15, Z12, Z13.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../fixtures/upnp/lan.ts';
import { type Told, TwoMachines, whyNoNamespaces } from '../fixtures/upnp/two-machines.ts';

const absent = whyNoNamespaces();
if (absent !== undefined) process.stderr.write(`skipped: ${absent}\n`);

/** Starting two Node programs twice is slow on a busy machine. */
const patience = 180_000;

describe.skipIf(absent !== undefined)('a killed phone on IPv4 and link-local IPv6', { timeout: patience }, () => {
  let lan: TwoMachines;
  let folder: string;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'homeline-restarts-'));
    lan = new TwoMachines();
    lan.start();
    for (const [machine, last] of [
      [lan.here, 1],
      [lan.there, 2],
    ] as const) {
      machine.ip('addr', 'add', `10.99.0.${last}/24`, 'dev', 'lan0');
      machine.ip('-6', 'addr', 'add', `fe80::${last}/64`, 'dev', 'lan0', 'nodad');
    }
    lan.there.run('phone', join(folder, 'phone'));
    await until(() => started() === 1);
    lan.here.run('agent', join(folder, 'agent'));
    await until(() => lines().some((line) => line.includes('In step')) && phones().length === 1);
    lan.there.say('arrive first');
    await until(() => hasCome('first'));
  }, patience);
  afterEach(async () => {
    await lan.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const started = () => lan.there.told.filter((told) => 'locations' in told).length;
  const lines = () => lan.here.told.map(({ line }) => String(line ?? ''));
  const hasCome = (message: string) => lan.here.told.some((told) => told.message === message);
  const phones = () => (lan.here.told.findLast((told) => 'phones' in told)?.phones ?? []) as readonly Told[];
  const isOnline = (online: boolean) => phones().some((phone) => phone.online === online);

  const restart = async () => {
    const before = started();
    lan.there.run('phone', join(folder, 'phone'));
    await until(() => started() > before);
  };

  const expectOnePhone = () => {
    expect(phones()).toHaveLength(1);
    expect(
      new Set(lan.here.told.flatMap((told) => (told.phones as Told[] | undefined) ?? []).map(({ udn }) => udn)).size,
    ).toBe(1);
    expect(lines().filter((line) => /Warning|claims to be/.test(line))).toEqual([]);
  };

  it('is the same phone after a quick restart, and its next message arrives', async () => {
    await lan.there.kill();
    await restart();
    lan.there.say('arrive second');
    await until(() => hasCome('second'));
    expectOnePhone();
  });

  it('is the same phone after it was offline, and its next message arrives', async () => {
    await lan.there.kill();
    await until(() => isOnline(false));
    await restart();
    lan.there.say('arrive second');
    await until(() => hasCome('second') && isOnline(true));
    expectOnePhone();
  });

  it('returns to its approved address although the other one was discovered first', async () => {
    const approvedAt = phones()[0]?.address;
    const isIpv4 = approvedAt === '10.99.0.2:47001';
    const address = isIpv4 ? ['10.99.0.2/24'] : ['fe80::2/64'];
    const more = isIpv4 ? [] : ['nodad'];
    await lan.there.kill();
    lan.there.ip('addr', 'del', ...address, 'dev', 'lan0');
    await restart();
    await until(() => phones()[0]?.online === true && phones()[0]?.address !== approvedAt);
    lan.there.ip('addr', 'add', ...address, 'dev', 'lan0', ...more);
    lan.there.say('arrive second');
    await until(() => hasCome('second'));
    expect(phones()).toMatchObject([{ online: true, address: approvedAt }]);
    expectOnePhone();
  });
});
