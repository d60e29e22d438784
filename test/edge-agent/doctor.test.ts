// `npm run doctor` as a person runs it, and what it says of phones that refuse.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Finding } from '../../edge-agent/doctor/finding.ts';
import { examineNetworks } from '../../edge-agent/doctor/networks.ts';
import { examinePhones } from '../../edge-agent/doctor/phones.ts';
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
  it('finds nothing to mend where a phone answers, acts and tells, and ends with 0', async () => {
    const home = await startPhone();
    stopping.push(() => home.stop());
    const { status, out, err } = await run('--interface', 'lo', '--ssdp-port', String(home.ssdpPort));
    expect([status, err]).toEqual([0, '']);
    expect(out).toContain('lo 127.0.0.1 hears its own multicast');
    expect(out).toContain(`“Home phone” at ${home.phone.location} has Messaging:2; it is ${home.phone.udn}`);
    expect(out).toContain('It answers actions');
    expect(out).toContain('Its events reach this machine');
    expect(out).toContain('Nothing is to be mended');
  });

  it('says what to look at where no phone is, and ends with 1', async () => {
    const { status, out } = await run('--interface', 'lo', '--ssdp-port', String(await freeUdpPort()));
    expect(status).toBe(1);
    expect(out).toContain('No phone with Messaging answered');
    expect(out).toMatch(/Mend: Is it on.*VLAN/);
  });

  it('names the interfaces that there are where one is not there, and ends with 1', async () => {
    const { status, out } = await run('--interface', 'nonsuch0');
    expect(status).toBe(1);
    expect(out).toContain('There is no interface nonsuch0');
    expect(out).toMatch(/HOMELINE_INTERFACE to one of: .*lo/);
    expect(out).not.toContain('Phones');
  });

  it('explains itself, and tells faults of its settings with 2', async () => {
    const help = await run('--help');
    expect([help.status, help.out.includes('HOMELINE_PHONE')]).toEqual([0, true]);
    const wrong = await run('--phone', 'nonsense');
    expect([wrong.status, wrong.err.includes('http://')]).toEqual([2, true]);
  });
});

describe('of a phone', () => {
  const lan = useLan();
  const examine = async (phoneUrl: string, interfaces = ['lo']) =>
    examinePhones({ interfaces, ssdpPort: await freeUdpPort(), phoneUrl, listenMs: 50, eventWithinMs: 200 });
  const faultsOf = (findings: readonly Finding[]) => findings.filter(({ kind }) => kind === 'fault');

  const service =
    '<service><serviceType>urn:schemas-upnp-org:service:Messaging:2</serviceType><controlURL>/c</controlURL><eventSubURL>/e</eventSubURL></service>';
  const description = (services: string) =>
    ok(`<root><device><friendlyName>Odd</friendlyName><serviceList>${services}</serviceList></device></root>`);
  const odd = (answer: (request: SeenRequest) => Reply) =>
    lan.device((request) => (request.method === 'GET' ? description(service) : answer(request)));

  it('that refuses events: it says so, and that messages still come', async () => {
    const phone = await scriptedPhone({ refusesSubscriptions: true });
    const faults = faultsOf(await examine(phone.location));
    expect(faults[0]?.says).toMatch(/refuses to send events.*405.*asks it again and again/);
    expect(faults[0]?.mend).toBeDefined();
  });

  it.each([
    ['412 Precondition Failed', /in its own network/],
    ['503 Busy', /no room/],
  ])('that answers SUBSCRIBE with %s: it says why', async (status, mend) => {
    const device = await odd(() => httpAnswer(status));
    const faults = faultsOf(await examine(device.url('/d.xml')));
    expect(faults.some((one) => mend.test(one.mend ?? ''))).toBe(true);
  });

  it('that works but never answers a search: it points at what drops UDP', async () => {
    const phone = await scriptedPhone();
    const faults = faultsOf(await examine(phone.location));
    expect(faults.at(-1)?.says).toContain('something drops UDP');
    expect(faults.at(-1)?.mend).toContain('HOMELINE_PHONE');
  });

  it('whose events do not arrive: it points at the firewall of this machine', async () => {
    const device = await odd(() => httpAnswer('200 OK', '', { SID: 'uuid:s', TIMEOUT: 'Second-1800' }));
    const faults = faultsOf(await examine(device.url('/d.xml')));
    expect(faults.find(({ says }) => says.includes('first event did not reach'))?.mend).toContain('127.0.0.1');
    expect(device.seen.at(-1)?.method).toBe('UNSUBSCRIBE');
  });

  it('that does not answer actions: it says so', async () => {
    const device = await odd(() => (socket) => socket.destroy());
    expect(faultsOf(await examine(device.url('/d.xml'))).map(({ says }) => says)).toContainEqual(
      expect.stringContaining('does not answer actions'),
    );
  });

  it('that is on an interface which is not looked at: it names that interface', async () => {
    const [fault] = faultsOf(await examine('http://127.0.0.1:81/d.xml', ['nonsuch0']));
    expect(fault?.says).toContain('is on lo, where it is not looked for');
    expect(fault?.mend).toContain('nonsuch0,lo');
  });

  it('that is on another network: it says that UPnP does not cross', async () => {
    const [fault] = faultsOf(await examine('http://198.51.100.7/d.xml'));
    expect(fault?.says).toContain('on no network of this machine');
    expect(fault?.mend).toContain('VLAN');
  });

  it.each<[string, Reply, RegExp]>([
    ['a web page', ok('<!DOCTYPE html><html/>'), /is no description/],
    ['nothing', (socket) => socket.destroy(), /cannot be fetched/],
    ['404', httpAnswer('404 Not Found'), /is no description/],
    ['another device', description(''), /offers no Messaging/],
  ])('whose URL gives %s: it says so', async (_, reply, says) => {
    const device = await lan.device(() => reply);
    expect(faultsOf(await examine(device.url('/d.xml')))[0]?.says).toMatch(says);
  });

  it('whose name would steer the terminal: it cleans the name', async () => {
    const name = '\u001b[31mred\u202e';
    const device = await lan.device(() =>
      ok(`<root><device><friendlyName>${name}</friendlyName><serviceList>${service}</serviceList></device></root>`),
    );
    const findings = await examine(device.url('/d.xml'));
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
    expect(JSON.stringify(findings)).not.toMatch(/[\u001b\u202e]|\\u001b/);
  });
});

it('a port that another program has for itself is told, with how to find that program', async () => {
  const { createSocket } = await import('node:dgram');
  const selfish = createSocket('udp4');
  await new Promise<void>((done) => selfish.bind(0, '0.0.0.0', done));
  stopping.push(() => new Promise<void>((done) => selfish.close(() => done())));
  const [finding] = await examineNetworks(['lo'], selfish.address().port);
  expect(finding).toMatchObject({ kind: 'fault', says: expect.stringContaining('has UDP port') });
  expect(finding?.mend).toContain('ss -ulpn');
});
