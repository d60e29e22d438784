// Interfaces that come and go at runtime, on IPv4 and link-local IPv6, between two
// machines. Requirements D1, D21–D23, H5, H23.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '../../fixtures/upnp/lan.ts';
import { type Told, TwoMachines, whyNoNamespaces } from '../../fixtures/upnp/two-machines.ts';

const absent = whyNoNamespaces();
if (absent !== undefined) process.stderr.write(`skipped: ${absent}\n`);

describe.skipIf(absent !== undefined)('between two machines', () => {
  let lan: TwoMachines;
  beforeEach(() => {
    lan = new TwoMachines();
    lan.start();
  });
  afterEach(() => lan.stop());

  const heard = (name: string): Told[] => lan.here.told.filter((told) => name in told);
  const giveIpv6 = () => {
    lan.here.ip('-6', 'addr', 'add', 'fe80::1/64', 'dev', 'lan0', 'nodad');
    lan.there.ip('-6', 'addr', 'add', 'fe80::2/64', 'dev', 'lan0', 'nodad');
  };
  const giveIpv4 = () => {
    lan.here.ip('addr', 'add', '10.99.0.1/24', 'dev', 'lan0');
    lan.there.ip('addr', 'add', '10.99.0.2/24', 'dev', 'lan0');
  };

  it('discovers, describes, calls and subscribes over link-local IPv6 alone', async () => {
    giveIpv6();
    lan.there.run('device');
    lan.here.run('control-point');
    await until(() => heard('event').length > 0);
    expect(String(heard('found')[0]?.found)).toMatch(/^http:\/\/\[fe80::2%25\d+\]:\d+\/device\.xml$/);
    expect(heard('friendlyName')[0]).toMatchObject({ power: 'off' });
    expect(heard('fault')).toEqual([]);
  });

  it('a control point without an address searches as soon as it gets one', async () => {
    lan.here.run('control-point');
    await until(() => heard('ready').length > 0);
    giveIpv4();
    lan.there.run('device');
    await until(() => heard('event').length > 0);
    expect(String(heard('found')[0]?.found)).toMatch(/^http:\/\/10\.99\.0\.2:/);
  });

  it('finds the device again after a cable is pulled and put back', async () => {
    giveIpv4();
    lan.there.run('device');
    lan.here.run('control-point');
    await until(() => heard('event').length > 0);
    lan.here.ip('link', 'set', 'lan0', 'down');
    await until(() => [lan.here, lan.there].every(({ told }) => told.some((line) => 'unplugged' in line)));
    lan.here.ip('link', 'set', 'lan0', 'up');
    // The device lost its link too: it announces the next BOOTID, which arrives on the rejoined group.
    await until(() => heard('rebooted').length > 0);
    expect(heard('rebooted').at(-1)?.rebooted).toBeGreaterThan(41);
  });

  it('subscribes again when the local address changes', async () => {
    giveIpv4();
    lan.there.run('device');
    lan.here.run('control-point');
    await until(() => heard('event').length === 1);
    lan.here.ip('addr', 'add', '10.99.0.77/24', 'dev', 'lan0');
    lan.here.ip('addr', 'del', '10.99.0.1/24', 'dev', 'lan0');
    // By default, deleting an address deletes the other addresses of its network too.
    lan.here.ip('addr', 'replace', '10.99.0.77/24', 'dev', 'lan0');
    await until(() => heard('event').length === 2);
  });

  it('a device announces its next BOOTID when it gets an address, without a goodbye', async () => {
    giveIpv4();
    lan.there.run('device');
    lan.here.run('control-point');
    await until(() => heard('event').length > 0);
    const before = lan.here.told.length;
    lan.there.ip('-6', 'addr', 'add', 'fe80::2/64', 'dev', 'lan0', 'nodad');
    const since = (wanted: Told) =>
      lan.here.told.slice(before).some((told) => Object.entries(wanted).every(([name, value]) => told[name] === value));
    await until(() => since({ nts: 'ssdp:update', next: '42' }));
    await until(() => since({ nts: 'ssdp:alive', bootId: '42' }));
    expect([...heard('rebooted'), ...heard('gone'), ...heard('moved')]).toEqual([]);
  });

  it('a device follows its address, and is found at the new one', async () => {
    giveIpv4();
    lan.there.run('device');
    lan.here.run('control-point');
    await until(() => heard('event').length > 0);
    lan.there.ip('addr', 'del', '10.99.0.2/24', 'dev', 'lan0');
    lan.there.ip('addr', 'add', '10.99.0.3/24', 'dev', 'lan0');
    await until(() => [...heard('moved'), ...heard('found'), ...heard('rebooted')].some(leadsToNewAddress));
  });
});

function leadsToNewAddress(told: Told): boolean {
  return String(told.moved ?? told.found).includes('10.99.0.3') || told.rebooted === 42;
}
