// Discovery over real multicast on loopback. Requirements D1–D7, D19, D23.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Advertisement, type DiscoveryOptions, SsdpDiscovery } from '../../../edge-agent/upnp/discovery/ssdp.ts';
import { until } from '../../fixtures/upnp/lan.ts';

const group = '239.255.255.250';
const targets = ['urn:schemas-upnp-org:service:Messaging:1', 'urn:schemas-upnp-org:service:Messaging:2'];

/** A device's sockets: one in the multicast group, one to send from. */
let ear: Socket;
let mouth: Socket;
let port: number;
let heard: { text: string; from: RemoteInfo }[];
let told: string[];
let found: Advertisement[];
const discoveries: SsdpDiscovery[] = [];

beforeEach(async () => {
  heard = [];
  told = [];
  found = [];
  ear = createSocket({ type: 'udp4', reuseAddr: true });
  await new Promise<void>((resolve) => ear.bind(0, '0.0.0.0', resolve));
  ear.addMembership(group, '127.0.0.1');
  ear.on('message', (datagram, from) => heard.push({ text: datagram.toString(), from }));
  port = (ear.address() as AddressInfo).port;
  // A port in the range allowed for SEARCHPORT.
  mouth = await boundAbove(49_152);
  mouth.setMulticastInterface('127.0.0.1');
});

afterEach(async () => {
  for (const discovery of discoveries.splice(0)) await discovery.stop();
  for (const socket of [ear, mouth]) await new Promise<void>((resolve) => socket.close(() => resolve()));
});

async function boundAbove(lowest: number): Promise<Socket> {
  for (let at = lowest + Math.floor(Math.random() * 10_000); ; at++) {
    const socket = createSocket('udp4');
    const isBound = await new Promise<boolean>((resolve) => {
      socket.once('error', () => socket.close(() => resolve(false)));
      socket.bind(at, '127.0.0.1', () => resolve(true));
    });
    if (isBound) return socket;
  }
}

async function discover(options: Partial<DiscoveryOptions> = {}): Promise<SsdpDiscovery> {
  const discovery = new SsdpDiscovery({
    interfaces: ['lo'],
    targets,
    port,
    onFound: (advertisement) => found.push(advertisement),
    onRebooted: ({ bootId }) => told.push(`rebooted ${bootId}`),
    onGone: (udn, reason) => told.push(`gone ${udn} ${reason}`),
    onFault: (error) => told.push(`fault ${error.message}`),
    ...options,
  });
  discoveries.push(discovery);
  await discovery.start();
  return discovery;
}

const advertisement = (startLine: string, headers: Record<string, string>) => {
  const all = { USN: 'uuid:a::x', LOCATION: 'http://127.0.0.1:49152/d', 'CACHE-CONTROL': 'max-age=1800', ...headers };
  return `${startLine}\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
};
const notify = (headers: Record<string, string> = {}) =>
  mouth.send(advertisement('NOTIFY * HTTP/1.1', { NT: targets[1] ?? '', NTS: 'ssdp:alive', ...headers }), port, group);

describe('searching', () => {
  it('sends three searches per target from its own port', async () => {
    await discover();
    await until(() => heard.length === 6);
    expect(heard[0]?.text).toBe(
      `M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:${port}\r\nMAN: "ssdp:discover"\r\nMX: 2\r\nST: ${targets[0]}\r\n` +
        'USER-AGENT: Node.js/1 UPnP/2.0 ControlPoint/1\r\nCPFN.UPNP.ORG: ControlPoint\r\n\r\n',
    );
    for (const target of targets)
      expect(heard.filter(({ text }) => text.includes(`ST: ${target}\r\n`))).toHaveLength(3);
    expect(new Set(heard.map(({ from }) => from.port)).size).toBe(1);
    expect(heard[0]?.from.port).not.toBe(port);
    expect(heard[0]?.from.address).toBe('127.0.0.1');
  });

  it('repeats the search periodically and on request', async () => {
    const discovery = await discover({ searchIntervalMs: 400 });
    await until(() => heard.length >= 12);
    const before = heard.length;
    discovery.search();
    await until(() => heard.length >= before + 6);
  });

  it('accepts late and repeated answers', async () => {
    await discover();
    await until(() => heard.length === 6);
    const answer = advertisement('HTTP/1.1 200 OK', {
      ST: targets[1] ?? '',
      EXT: '',
      'SEARCHPORT.UPNP.ORG': '50000',
      'BOOTID.UPNP.ORG': '7',
    });
    for (const { from } of heard) mouth.send(answer, from.port, from.address);
    await until(() => found.length > 0);
    expect(found).toEqual([
      {
        udn: 'uuid:a',
        usn: 'uuid:a::x',
        target: targets[1],
        location: 'http://127.0.0.1:49152/d',
        server: undefined,
        bootId: 7,
        configId: undefined,
        searchPort: 50000,
        maxAgeMs: 1_800_000,
        from: '127.0.0.1',
        interfaceName: 'lo',
      },
    ]);
  });
});

describe('listening', () => {
  it('reports announcements, reboots and goodbyes', async () => {
    await discover();
    notify({ 'BOOTID.UPNP.ORG': '1' });
    await until(() => found.length === 1);
    notify({ 'BOOTID.UPNP.ORG': '2' });
    notify({ NTS: 'ssdp:byebye' });
    await until(() => told.length === 2);
    expect(told).toEqual(['rebooted 2', 'gone uuid:a byebye']);
  });

  it('probes a silent device by unicast before reporting it gone', async () => {
    let nowMs = 0;
    await discover({ nowMs: () => nowMs, tickMs: 5, targets: [targets[1] ?? ''] });
    await until(() => heard.length === 3);
    const asked: string[] = [];
    mouth.on('message', (datagram) => asked.push(datagram.toString()));
    const searchPort = String(mouth.address().port);
    notify({ 'SEARCHPORT.UPNP.ORG': searchPort, 'CACHE-CONTROL': 'max-age=60' });
    await until(() => found.length === 1);
    nowMs = 61_000;
    await until(() => asked.length === 1);
    expect(asked[0]).toContain(`HOST: 127.0.0.1:`);
    expect(asked[0]).not.toContain('MX:');
    nowMs = 67_000;
    await until(() => told.length === 1);
    expect(told).toEqual(['gone uuid:a expired']);
  });

  it('shares its port with other programs', async () => {
    const others: Advertisement[] = [];
    await discover();
    await discover({ onFound: (one) => others.push(one) });
    notify();
    await until(() => found.length === 1 && others.length === 1);
    expect(told).toEqual([]);
  });

  it('never answers anything', async () => {
    await discover({ searchIntervalMs: 1_000_000 });
    await until(() => heard.length === 6);
    let answered = 0;
    mouth.on('message', () => answered++);
    mouth.send('M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n', port, group);
    notify();
    await until(() => found.length === 1);
    expect(answered).toBe(0);
  });

  it('survives a callback that throws', async () => {
    let calls = 0;
    await discover({
      onFound: () => {
        calls++;
        throw new Error('mine');
      },
    });
    notify();
    notify({ USN: 'uuid:b::x' });
    await until(() => calls === 2);
    expect(told).toEqual(['fault mine', 'fault mine']);
  });
});

describe('start and stop', () => {
  it('starts without any interface', async () => {
    const discovery = await discover({ interfaces: ['no-such-interface'] });
    discovery.search();
    expect(told).toEqual([]);
  });

  it('can stop during start, and more than once', async () => {
    const beginning = new SsdpDiscovery({
      interfaces: ['lo'],
      targets,
      port,
      onFound() {},
      onRebooted() {},
      onGone() {},
      onFault: (error) => told.push(error.message),
    });
    const starting = beginning.start();
    await beginning.stop();
    await starting;
    await beginning.stop();
    const before = heard.length;
    // Each search is repeated after pauses: those of a later discovery come last.
    await discover();
    await until(() => heard.length >= before + 3 * targets.length);
    expect(new Set(heard.slice(before).map(({ from }) => from.port)).size).toBe(1);
    expect(told).toEqual([]);
  });

  it('keeps searching when its port cannot be shared', async () => {
    const selfish = createSocket('udp4');
    await new Promise<void>((resolve) => selfish.bind(0, '0.0.0.0', resolve));
    const taken = (selfish.address() as AddressInfo).port;
    selfish.addMembership(group, '127.0.0.1');
    let searches = 0;
    selfish.on('message', () => searches++);
    await discover({ port: taken });
    await until(() => searches > 0);
    expect(told[0]).toContain('EADDRINUSE');
    await new Promise<void>((resolve) => selfish.close(() => resolve()));
  });
});
