// Checks this machine's networks, and whether multicast leaves and arrives on each.
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { parseSsdp, ssdpAddress, writeSsdp } from '../upnp/discovery/ssdp-message.ts';
import { type LocalInterface, listInterfaces } from '../upnp/network/address.ts';
import { bindListener, bindSpeaker, close, groupOf, join, openSocket, speaksSsdp } from '../upnp/network/multicast.ts';
import { type Finding, fault, fine, note } from './finding.ts';

const probes = 3;
const probeGapMs = 200;

/** @param names of interfaces, as in HOMELINE_INTERFACE; empty means all but loopback */
export async function checkNetworks(names: readonly string[], ssdpPort: number): Promise<Finding[]> {
  const links = listInterfaces(names).filter(speaksSsdp);
  const findings = [...names.flatMap((name) => checkInterfaceName(name, links)), ...checkInterfaceKinds(links, names)];
  if (links.length === 0 && names.length === 0) {
    findings.push(fault('No network has an address.', 'Plug the cable in, join the Wi-Fi, or renew the DHCP lease.'));
  }
  for (const at of links) findings.push(await checkMulticast(at, ssdpPort));
  return findings;
}

/** Checks a name in HOMELINE_INTERFACE. */
function checkInterfaceName(name: string, links: readonly LocalInterface[]): Finding[] {
  if (links.some((at) => at.name === name)) return [];
  const others = Object.keys(networkInterfaces()).join(', ');
  if (existsSync(`/sys/class/net/${encodeURIComponent(name)}`)) {
    return [
      fault(
        `${name} has no address that UPnP can use.`,
        `Plug its cable in or join its Wi-Fi. An address 169.254.… means that no DHCP server answered. Interfaces with an address: ${others || 'none'}.`,
      ),
    ];
  }
  return [fault(`There is no interface ${name}.`, `Set HOMELINE_INTERFACE to one of: ${others}.`)];
}

/** What the kind of each network means for finding phones on it. */
function checkInterfaceKinds(links: readonly LocalInterface[], names: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  const outer = links.filter((at) => !at.internal && at.family === 'IPv4');
  const isContained = existsSync('/.dockerenv') || existsSync('/run/.containerenv');
  if (isContained && outer.length > 0 && outer.every(({ address }) => /^172\.(1[6-9]|2\d|3[01])\./.test(address))) {
    findings.push(
      fault(
        `This is a container on a bridge network (${outer.map(({ address }) => address).join(', ')}): multicast cannot cross it, so no phone can be found.`,
        'Run the container on the network of its host (docker run --network host).',
      ),
    );
  }
  for (const { name } of outer) {
    if (/^(docker|br-|veth|virbr|cni|podman|lxc)/.test(name) && names.length === 0) {
      findings.push(note(`${name} is a bridge for containers without a phone. Leave it out with HOMELINE_INTERFACE.`));
    } else if (/\.\d+$|^vlan/.test(name)) {
      findings.push(note(`${name} is a VLAN: only phones in the same VLAN can be found on it.`));
    } else if (/^(tun|tap|wg|ppp|tailscale|zt)/.test(name)) {
      findings.push(note(`${name} is a VPN tunnel: most of them carry no multicast.`));
    }
  }
  return findings;
}

/** Sends a real search and listens for it on the port of the announcements. */
async function checkMulticast(at: LocalInterface, port: number): Promise<Finding> {
  const where = `${at.name} ${at.address}`;
  const target = `uuid:${randomUUID()}`;
  const listener = openSocket(at.family, true);
  const sender = openSocket(at.family, false);
  try {
    await bindListener(listener, at.family, port);
    join(listener, at);
    await bindSpeaker(sender, at);
    const received = new Promise<true>((resolve) => {
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
        sender.send(probe, port, groupOf(at), (error) => (error === null ? resolve() : reject(error)));
      });
      const isBack = await Promise.race([received, after(probeGapMs)]);
      if (isBack) return fine(`${where} receives its own multicast.`);
    }
    return fault(
      `${where} sends multicast but receives none, so phones cannot be found.`,
      `Allow incoming UDP port ${port} on ${at.name} (for example: ufw allow in on ${at.name} to any port ${port} proto udp).`,
    );
  } catch (error) {
    return sendingFault(where, port, error);
  } finally {
    await Promise.all([close(listener), close(sender)]);
  }
}

function sendingFault(where: string, port: number, error: unknown): Finding {
  const { code = '', message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return fault(
      `${where}: another program uses UDP port ${port} exclusively.`,
      `Stop that program, or let it share the port. To find it: ss -ulpn 'sport = :${port}'`,
    );
  }
  return fault(
    `${where} cannot send multicast (${code || message}).`,
    'Allow outgoing multicast to 239.255.255.250 (and ff02::c) in this machine’s firewall, and check that the interface has the MULTICAST flag (ip link).',
  );
}

function after(ms: number): Promise<false> {
  return new Promise((resolve) => setTimeout(() => resolve(false), ms));
}
