// The doctor looks at this machine's networks: which there are, and whether multicast gets out and back on each.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseSsdp, ssdpAddress, writeSsdp } from '../upnp/discovery/ssdp-message.ts';
import { type LocalInterface, listInterfaces } from '../upnp/network/address.ts';
import { bindListener, bindSpeaker, close, groupOf, join, openSocket, speaksSsdp } from '../upnp/network/multicast.ts';
import { type Finding, fault, fine, note } from './finding.ts';

const probes = 3;
const probeGapMs = 200;

/** @param names of interfaces, as HOMELINE_INTERFACE gives them; none means all but loopback */
export async function examineNetworks(names: readonly string[], ssdpPort: number): Promise<Finding[]> {
  const links = listInterfaces(names).filter(speaksSsdp);
  const findings = [...names.flatMap((name) => examineName(name, links)), ...examineKinds(links, names)];
  if (links.length === 0 && names.length === 0) {
    findings.push(
      fault('No network has an address.', 'Plug the cable in, join the Wi-Fi, or ask the router for a lease.'),
    );
  }
  for (const at of links) findings.push(await examineMulticast(at, ssdpPort));
  return findings;
}

/** What a name in HOMELINE_INTERFACE stands for. */
function examineName(name: string, links: readonly LocalInterface[]): Finding[] {
  if (links.some((at) => at.name === name)) return [];
  const others = Object.keys(networkInterfaces()).join(', ');
  if (existsSync(`/sys/class/net/${encodeURIComponent(name)}`)) {
    return [
      fault(
        `${name} has no address that UPnP can use.`,
        `Plug its cable in or join its Wi-Fi; 169.254.… means that no DHCP server answered. With an address now: ${others || 'none'}.`,
      ),
    ];
  }
  return [fault(`There is no interface ${name}.`, `Set HOMELINE_INTERFACE to one of: ${others}.`)];
}

/** What the kind of a network tells about who can be met on it. */
function examineKinds(links: readonly LocalInterface[], names: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  const outer = links.filter((at) => !at.internal && at.family === 'IPv4');
  const isContained = existsSync('/.dockerenv') || existsSync('/run/.containerenv');
  if (isContained && outer.length > 0 && outer.every(({ address }) => /^172\.(1[6-9]|2\d|3[01])\./.test(address))) {
    findings.push(
      fault(
        `This is a container on a bridge network (${outer.map(({ address }) => address).join(', ')}): multicast does not cross it.`,
        'Start the container with the network of its host (docker run --network host).',
      ),
    );
  }
  for (const { name } of outer) {
    if (/^(docker|br-|veth|virbr|cni|podman|lxc)/.test(name) && names.length === 0) {
      findings.push(
        note(`${name} is a bridge for containers; no telephone is on it. HOMELINE_INTERFACE can leave it out.`),
      );
    } else if (/\.\d+$|^vlan/.test(name)) {
      findings.push(note(`${name} is a VLAN: only telephones in the same VLAN can be found on it.`));
    } else if (/^(tun|tap|wg|ppp|tailscale|zt)/.test(name)) {
      findings.push(note(`${name} is a tunnel: most of them carry no multicast.`));
    }
  }
  return findings;
}

/** Really sends a search and listens for it on the port where announcements come. */
async function examineMulticast(at: LocalInterface, port: number): Promise<Finding> {
  const where = `${at.name} ${at.address}`;
  const target = `uuid:${randomUUID()}`;
  const listener = openSocket(at.family, true);
  const speaker = openSocket(at.family, false);
  try {
    await bindListener(listener, at.family, port);
    join(listener, at);
    await bindSpeaker(speaker, at);
    const hasHeard = new Promise<true>((resolve) => {
      listener.on('message', (datagram) => {
        if (parseSsdp(datagram)?.headers.get('ST') === target) resolve(true);
      });
    });
    const probe = writeSsdp('M-SEARCH * HTTP/1.1', [
      ['HOST', at.family === 'IPv4' ? `${ssdpAddress.v4}:${port}` : `[${ssdpAddress.v6}]:${port}`],
      ['MAN', '"ssdp:discover"'],
      ['MX', '1'],
      ['ST', target],
    ]);
    for (let sent = 0; sent < probes; sent++) {
      await new Promise<void>((resolve, reject) => {
        speaker.send(probe, port, groupOf(at), (error) => (error === null ? resolve() : reject(error)));
      });
      const isBack = await Promise.race([hasHeard, after(probeGapMs)]);
      if (isBack) return fine(`${where} hears its own multicast.`);
    }
    return fault(
      `${where} sends multicast but hears none.`,
      `Let UDP port ${port} in on ${at.name} (for example: ufw allow in on ${at.name} to any port ${port} proto udp).`,
    );
  } catch (error) {
    return sendingFault(where, port, error);
  } finally {
    await Promise.all([close(listener), close(speaker)]);
  }
}

function sendingFault(where: string, port: number, error: unknown): Finding {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return fault(
      `${where}: another program has UDP port ${port} for itself.`,
      `Stop it, or let it share the port; ss -ulpn 'sport = :${port}' names it.`,
    );
  }
  return fault(
    `${where} takes no multicast (${code || message}).`,
    'Let multicast out to 239.255.255.250 (and ff02::c) in the firewall of this machine, and see that the interface has MULTICAST set (ip link).',
  );
}

function after(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}
