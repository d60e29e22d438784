// The agent's cost on a LAN of 500 devices: `node test/bench/devices.ts`. A child process announces 500 UDNs (root
// device, UDN, type and service) every ten seconds; the agent's discovery runs as in `npm run agent`.
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as after } from 'node:timers/promises';
import { searchTargets } from '../../edge-agent/agent.ts';
import { SsdpDiscovery } from '../../edge-agent/upnp/discovery/ssdp.ts';
import { writeSsdp } from '../../edge-agent/upnp/discovery/ssdp-message.ts';
import { report } from './report.ts';

const devices = 500;
const rounds = 6;
const roundMs = 10_000;
/** Datagrams per millisecond; 500 real devices never reach this rate. */
const burst = 4;
const port = 21_900;
const group = '239.255.255.250';

if (process.argv[2] === 'announce') {
  await announce();
} else {
  const found = new Set<string>();
  const discovery = new SsdpDiscovery({
    interfaces: ['lo'],
    // The last address belongs to all 500, so that each device is kept and compared, and not only filtered.
    targets: process.argv[2] === 'kept' ? [...searchTargets, 'upnp:rootdevice'] : searchTargets,
    port,
    onFound: ({ udn }) => found.add(udn),
    onRebooted: () => undefined,
    onGone: () => undefined,
    onFault: (error) => process.stderr.write(`${error.message}\n`),
  });
  const receive = discovery.receive.bind(discovery);
  let datagrams = 0;
  discovery.receive = (datagram, sender) => {
    datagrams++;
    receive(datagram, sender);
  };
  await discovery.start();
  await after(1000);
  const before = process.cpuUsage();
  const startedAtMs = performance.now();
  const announcer = fork(import.meta.filename, ['announce']);
  await once(announcer, 'exit');
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - startedAtMs) / 1000;
  await discovery.stop();
  report({
    what: `${devices} devices announcing`,
    seconds: Math.round(seconds),
    sent: devices * 4 * rounds,
    datagrams,
    kept: found.size,
    cpuSeconds: Number(((user + system) / 1e6).toFixed(2)),
    cpuPercent: Number(((user + system) / 1e4 / seconds).toFixed(2)),
    rssMb: Math.round(process.memoryUsage().rss / 2 ** 20),
  });
}

async function announce(): Promise<void> {
  const sockets = await Promise.all(
    Array.from({ length: devices }, async (_, at) => {
      const socket = createSocket('udp4');
      // Loopback has an address for each device.
      await new Promise<void>((resolve) => socket.bind(0, `127.0.${1 + (at >> 7)}.${1 + (at & 127)}`, resolve));
      socket.setMulticastInterface('127.0.0.1');
      return socket;
    }),
  );
  for (let round = 0; round < rounds; round++) {
    const startedAtMs = performance.now();
    for (const [at, socket] of sockets.entries()) {
      for (const datagram of announcementsOf(at)) socket.send(datagram, port, group);
      if (at % burst === 0) await after(1);
    }
    await after(Math.max(0, roundMs - (performance.now() - startedAtMs)));
  }
  for (const socket of sockets) socket.close();
}

function announcementsOf(at: number): Buffer[] {
  const udn = `uuid:00000000-0000-0000-0000-${String(at).padStart(12, '0')}`;
  const types = [
    'upnp:rootdevice',
    'urn:schemas-upnp-org:device:MediaRenderer:1',
    'urn:schemas-upnp-org:service:AVTransport:1',
  ];
  return [[udn, udn], ...types.map((type) => [type, `${udn}::${type}`])].map(([type = '', usn = '']) =>
    writeSsdp('NOTIFY * HTTP/1.1', [
      ['HOST', `${group}:${port}`],
      ['CACHE-CONTROL', 'max-age=1800'],
      ['LOCATION', `http://127.0.${1 + (at >> 7)}.${1 + (at & 127)}:49152/description.xml`],
      ['NT', type],
      ['NTS', 'ssdp:alive'],
      ['SERVER', 'Linux/6.1 UPnP/1.1 Television/1'],
      ['USN', usn],
      ['BOOTID.UPNP.ORG', '1'],
      ['CONFIGID.UPNP.ORG', '1'],
    ]),
  );
}
