// `npm run doctor` as a person runs it, and its findings about faulty phones.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../edge-agent/doctor/finding.ts';
import { checkNetworks } from '../../edge-agent/doctor/networks.ts';
import { checkPhones } from '../../edge-agent/doctor/phones.ts';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';
import { useLan } from '../fixtures/upnp/lan.ts';
import { httpAnswer, ok, type Reply, type SeenRequest } from '../fixtures/upnp/raw-device.ts';
import { freeUdpPort, startPhone } from './phone/phone-under-test.ts';

const main = resolve(import.meta.dirname, '../../edge-agent/doctor/main.ts');
const stopping: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0)) await stop();
});

async function run(...args: string[]) {
  const child = spawn(process.execPath, [main, ...args], { env: { PATH: process.env.PATH } });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => (said.out += chunk));
  child.stderr.on('data', (chunk) => (said.err += chunk));
  const [status] = await once(child, 'close');
  return { status, ...said };
}

async function scriptedPhone(script: Partial<ScriptedPhone> = {}): Promise<ScriptedPhone> {
  const phone = Object.assign(new ScriptedPhone(), script);
  await phone.start();
  stopping.push(() => phone.stop());
  return phone;
}

describe('npm run doctor', () => {
  it('finds no fault when a phone answers, acts and sends events, and exits with 0', async () => {
    const home = await startPhone();
    stopping.push(() => home.stop());
    const { status, out, err } = await run('--interface', 'lo', '--ssdp-port', String(home.ssdpPort));
    expect([status, err]).toEqual([0, '']);
    expect(out).toContain('lo 127.0.0.1 receives its own multicast');
    expect(out).toContain(`“Home phone” at ${home.phone.location} has Messaging:2; its UDN is ${home.phone.udn}`);
    expect(out).toContain('It answers actions');
    expect(out).toContain('Its events reach this machine');
    expect(out).toContain('No faults found');
  });

  it('says what to check when there is no phone, and exits with 1', async () => {
    const { status, out } = await run('--interface', 'lo', '--ssdp-port', String(await freeUdpPort()));
    expect(status).toBe(1);
    expect(out).toContain('No phone with Messaging answered');
    expect(out).toMatch(/What to do: Check that the phone is on.*VLAN/);
  });

  it('lists the existing interfaces when one is missing, and exits with 1', async () => {
    const { status, out } = await run('--interface', 'nonsuch0');
    expect(status).toBe(1);
    expect(out).toContain('There is no interface nonsuch0');
    expect(out).toMatch(/HOMELINE_INTERFACE to one of: .*lo/);
    expect(out).not.toContain('Phones');
  });

  it('prints its help, and exits with 2 on invalid settings', async () => {
    const help = await run('--help');
    expect([help.status, help.out.includes('HOMELINE_PHONE')]).toEqual([0, true]);
    const wrong = await run('--phone', 'nonsense');
    expect([wrong.status, wrong.err.includes('http://')]).toEqual([2, true]);
  });
});

describe('of a phone', () => {
  const lan = useLan();
  const check = async (phoneUrl: string, interfaces = ['lo']) =>
    checkPhones({ interfaces, ssdpPort: await freeUdpPort(), phoneUrl, listenMs: 50, eventWithinMs: 200 });
  const faultsOf = (findings: readonly Finding[]) => findings.filter(({ kind }) => kind === 'fault');

  const service =
    '<service><serviceType>urn:schemas-upnp-org:service:Messaging:2</serviceType><controlURL>/c</controlURL><eventSubURL>/e</eventSubURL></service>';
  const description = (services: string) =>
    ok(`<root><device><friendlyName>Odd</friendlyName><serviceList>${services}</serviceList></device></root>`);
  const odd = (answer: (request: SeenRequest) => Reply) =>
    lan.device((request) => (request.method === 'GET' ? description(service) : answer(request)));

  it('that refuses events: says so, and that messages still arrive', async () => {
    const phone = await scriptedPhone({ refusesSubscriptions: true });
    const faults = faultsOf(await check(phone.location));
    expect(faults[0]?.says).toMatch(/refuses to send events.*405.*polls it instead/);
    expect(faults[0]?.remedy).toBeDefined();
  });

  it.each([
    ['412 Precondition Failed', /in its own network/],
    ['503 Busy', /cannot take another subscriber/],
  ])('that answers SUBSCRIBE with %s: says why', async (status, remedy) => {
    const device = await odd(() => httpAnswer(status));
    const faults = faultsOf(await check(device.url('/d.xml')));
    expect(faults.some((one) => remedy.test(one.remedy ?? ''))).toBe(true);
  });

  it('that works but never answers a search: suspects dropped UDP', async () => {
    const phone = await scriptedPhone();
    const faults = faultsOf(await check(phone.location));
    expect(faults.at(-1)?.says).toContain('something drops UDP');
    expect(faults.at(-1)?.remedy).toContain('HOMELINE_PHONE');
  });

  it('whose events do not arrive: suspects this machine’s firewall', async () => {
    const device = await odd(() => httpAnswer('200 OK', '', { SID: 'uuid:s', TIMEOUT: 'Second-1800' }));
    const faults = faultsOf(await check(device.url('/d.xml')));
    expect(faults.find(({ says }) => says.includes('first event did not reach'))?.remedy).toContain('127.0.0.1');
    expect(device.seen.at(-1)?.method).toBe('UNSUBSCRIBE');
  });

  it('that does not answer actions: says so', async () => {
    const device = await odd(() => (socket) => socket.destroy());
    expect(faultsOf(await check(device.url('/d.xml'))).map(({ says }) => says)).toContainEqual(
      expect.stringContaining('does not answer actions'),
    );
  });

  it('that is on an interface not searched: names that interface', async () => {
    const [fault] = faultsOf(await check('http://127.0.0.1:81/d.xml', ['nonsuch0']));
    expect(fault?.says).toContain('is on lo, which is not searched');
    expect(fault?.remedy).toContain('nonsuch0,lo');
  });

  it('that is on another network: says that UPnP does not cross networks', async () => {
    const [fault] = faultsOf(await check('http://198.51.100.7/d.xml'));
    expect(fault?.says).toContain('is not on a network of this machine');
    expect(fault?.remedy).toContain('VLAN');
  });

  it.each<[string, Reply, RegExp]>([
    ['a web page', ok('<!DOCTYPE html><html/>'), /There is no device description/],
    ['nothing', (socket) => socket.destroy(), /cannot be fetched/],
    ['404', httpAnswer('404 Not Found'), /There is no device description/],
    ['another device', description(''), /has no Messaging/],
  ])('whose URL returns %s: says so', async (_, reply, says) => {
    const device = await lan.device(() => reply);
    expect(faultsOf(await check(device.url('/d.xml')))[0]?.says).toMatch(says);
  });

  it('whose name holds terminal control characters: strips them', async () => {
    const name = '\u001b[31mred\u202e';
    const device = await lan.device(() =>
      ok(`<root><device><friendlyName>${name}</friendlyName><serviceList>${service}</serviceList></device></root>`),
    );
    const findings = await check(device.url('/d.xml'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
    expect(JSON.stringify(findings)).not.toMatch(/[\u001b\u202e]|\\u001b/);
  });
});

it('reports a port that another program uses exclusively, and how to find that program', async () => {
  const { createSocket } = await import('node:dgram');
  const selfish = createSocket('udp4');
  await new Promise<void>((done) => selfish.bind(0, '0.0.0.0', done));
  stopping.push(() => new Promise<void>((done) => selfish.close(() => done())));
  const [finding] = await checkNetworks(['lo'], selfish.address().port);
  expect(finding).toMatchObject({ kind: 'fault', says: expect.stringContaining('uses UDP port') });
  expect(finding?.remedy).toContain('ss -ulpn');
});
