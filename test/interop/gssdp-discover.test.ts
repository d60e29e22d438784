// gssdp-discover finds the software phone by root device, UDN, device type and both versions of its service.
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { telephonyServer } from '../../edge-agent/phone/phone.ts';
import { parseSsdp, ssdpAddress } from '../../edge-agent/upnp/discovery/ssdp-message.ts';
import { type PhoneUnderTest, startPhone, until } from '../edge-agent/phone/phone-under-test.ts';

const program = '/usr/bin/gssdp-discover';
const isAbsent = !existsSync(program);
if (isAbsent) process.stderr.write('skipped: gssdp-discover is not here (Debian: apt-get install gupnp-tools)\n');

// In CI a missing peer is a failure and not a reason to skip.
describe.skipIf(isAbsent && process.env.CI === undefined)('gssdp-discover', () => {
  let home: PhoneUnderTest;
  beforeAll(async () => {
    const announced = await listenForAnnouncements();
    home = await startPhone({ ssdpPort: ssdpAddress.port });
    // Found by searching alone: gssdp takes an announcement of version 2 for the resource of a search for version 1.
    // A phone announces itself three times at start, and then not for seven minutes.
    const ofPhone = () => [...announced.timesOf].filter(([usn]) => usn.startsWith(home.phone.udn));
    await until(() => ofPhone().length === 4 && ofPhone().every(([, times]) => times === 3));
    announced.stop();
  });
  afterAll(async () => {
    for (const search of searches) search.kill();
    await home.stop();
  });

  it.concurrent.each<[string, () => string]>([
    ['root device', () => 'upnp:rootdevice'],
    ['UDN', () => home.phone.udn],
    ['device type', () => telephonyServer],
    ['an older device type', () => telephonyServer.replace(':2', ':1')],
    ['the service', () => 'urn:schemas-upnp-org:service:Messaging:2'],
    ['its older version', () => 'urn:schemas-upnp-org:service:Messaging:1'],
  ])('finds it by %s', async (_, targetOf) => {
    const target = targetOf();
    const usn = target === home.phone.udn ? target : `${home.phone.udn}::${target}`;
    expect(await usnFoundBy(target, home.phone.location)).toBe(usn);
  });

  it.concurrent('finds nothing by a version that is not served', async () => {
    const search = discover('urn:schemas-upnp-org:service:Messaging:3', '--timeout=4');
    await once(search.child, 'close');
    expect(search.told()).not.toContain(home.phone.udn);
  });
});

const searches = new Set<ChildProcess>();

/** The USN under which a search finds the device at `location`; retried for a busy machine. */
async function usnFoundBy(target: string, location: string): Promise<string | undefined> {
  const search = discover(target);
  return until(() => {
    const found = search.told().matchAll(/USN: +(\S+)\n +Location: (\S+)\n/g);
    return [...found].find(([, , where]) => where === location)?.[1];
  });
}

function discover(target: string, ...options: string[]) {
  const child = spawn(program, ['--interface=lo', `--target=${target}`, ...options], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  searches.add(child);
  let told = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    told += text;
  });
  return { child, told: () => told };
}

/** The number of ssdp:alive announcements per USN on loopback. */
async function listenForAnnouncements() {
  const timesOf = new Map<string, number>();
  const socket = createSocket({ type: 'udp4', reuseAddr: true });
  socket.on('message', (datagram) => {
    const message = parseSsdp(datagram);
    if (message?.kind !== 'notify' || message.headers.get('NTS') !== 'ssdp:alive') return;
    const usn = message.headers.get('USN') ?? '';
    timesOf.set(usn, (timesOf.get(usn) ?? 0) + 1);
  });
  await new Promise<void>((resolve) => socket.bind(ssdpAddress.port, '0.0.0.0', resolve));
  socket.addMembership(ssdpAddress.v4, '127.0.0.1');
  return { timesOf, stop: () => socket.close() };
}
