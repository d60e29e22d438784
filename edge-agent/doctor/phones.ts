// Searches for phones, and checks each one found.
import { networkInterfaces } from 'node:os';
import { searchTargets } from '../agent.ts';
import { type Advertisement, SsdpDiscovery } from '../upnp/discovery/ssdp.ts';
import { GenaSubscriber } from '../upnp/eventing/gena.ts';
import { interfaceOf, listInterfaces } from '../upnp/network/address.ts';
import { parseHttpUrl } from '../upnp/network/http-url.ts';
import { LanNetwork } from '../upnp/network/network.ts';
import { type Finding, fault, note } from './finding.ts';
import { checkPhone } from './phone.ts';

export interface PhonesCheck {
  readonly interfaces: readonly string[];
  readonly ssdpPort: number;
  /** The description URL of a phone that discovery may not find. */
  readonly phoneUrl?: string | undefined;
  /** How long to wait for answers; default 4 s, because devices may take 2 s and the search is sent three times. */
  readonly listenMs?: number;
  /** How long to wait for a first event; default 3 s. */
  readonly eventWithinMs?: number;
}

const defaultListenMs = 4000;
const defaultEventMs = 3000;
const maxNamed = 8;

export async function checkPhones(check: PhonesCheck): Promise<Finding[]> {
  const { interfaces, phoneUrl, eventWithinMs = defaultEventMs } = check;
  const network = new LanNetwork({ interfaces, allowOwnAddress: true });
  const subscriber = new GenaSubscriber(network);
  await network.start();
  await subscriber.start();
  try {
    const [phones, others] = await Promise.all([search(check, searchTargets), search(check, ['upnp:rootdevice'])]);
    const findings = [answersNote([...phones, ...others])];
    const discovered = new Set(phones.map(({ location }) => location));
    let works = false;
    for (const location of new Set([...discovered, ...(phoneUrl === undefined ? [] : [phoneUrl])])) {
      const unreachable = location === phoneUrl ? unreachablePhoneFault(location, interfaces) : undefined;
      const reported =
        unreachable === undefined ? await checkPhone(network, subscriber, location, eventWithinMs) : [unreachable];
      works ||= reported.some(({ kind }) => kind === 'fine');
      findings.push(...reported, ...(discovered.has(location) ? ownAddressNotes(location, check) : []));
    }
    if (discovered.size === 0) findings.push(noPhoneFault(works, others.length > 0));
    return findings;
  } finally {
    await subscriber.stop();
    await network.stop();
  }
}

/** Collects the devices that answer a search for these targets or announce themselves during it. */
async function search(
  { interfaces, ssdpPort, listenMs }: PhonesCheck,
  targets: readonly string[],
): Promise<Advertisement[]> {
  const found: Advertisement[] = [];
  const discovery = new SsdpDiscovery({
    interfaces,
    port: ssdpPort,
    targets,
    allowOwnAddress: true,
    onFound: (advertisement) => found.push(advertisement),
    onRebooted: () => undefined,
    onGone: () => undefined,
    // Network faults have been reported by then.
    onFault: () => undefined,
  });
  await discovery.start();
  await new Promise((resolve) => setTimeout(resolve, listenMs ?? defaultListenMs));
  await discovery.stop();
  return found;
}

function answersNote(found: readonly Advertisement[]): Finding {
  const hosts = [...new Set(found.map(({ from, interfaceName }) => `${from} (${interfaceName})`))];
  if (hosts.length === 0) return note('No device at all answered the search.');
  const more = hosts.length > maxNamed ? ` and ${hosts.length - maxNamed} more` : '';
  return note(`Answered the search: ${hosts.slice(0, maxNamed).join(', ')}${more}.`);
}

/** A fault when the configured phone is on no searched network; undefined when it is, or when its host is a name. */
function unreachablePhoneFault(location: string, interfaces: readonly string[]): Finding | undefined {
  const address = parseHttpUrl(location)?.address;
  if (address === undefined || interfaceOf(address, listInterfaces(interfaces)) !== undefined) return undefined;
  const elsewhere = interfaceOf(address, listInterfaces(Object.keys(networkInterfaces())));
  if (elsewhere !== undefined) {
    return fault(
      `The phone at ${address} is on ${elsewhere.name}, which is not searched.`,
      `Set HOMELINE_INTERFACE to ${[...interfaces, elsewhere.name].join(',')}.`,
    );
  }
  const own = listInterfaces(interfaces).map((at) => `${at.address}/${at.prefixLength} (${at.name})`);
  return fault(
    `The phone at ${address} is not on a network of this machine: ${own.join(', ') || 'there is none'}.`,
    'Put both on the same network, because UPnP does not cross routers, VLANs or guest Wi-Fi. Or correct HOMELINE_PHONE.',
  );
}

/** The agent ignores a device at its own address as a forgery, unless it is configured. */
function ownAddressNotes(location: string, { interfaces, phoneUrl }: PhonesCheck): Finding[] {
  const address = parseHttpUrl(location)?.address;
  const at = listInterfaces(interfaces).find((one) => one.address === address);
  if (at === undefined || at.internal || phoneUrl !== undefined) return [];
  return [note(`It is at this machine's own address. The agent accepts it only with HOMELINE_PHONE=${location}.`)];
}

function noPhoneFault(isReachedByUrl: boolean, hasOthers: boolean): Finding {
  if (isReachedByUrl) {
    return fault(
      'The phone works but did not answer the search: something drops UDP between it and this machine.',
      'Allow incoming UDP from the phone’s network in this machine’s firewall, and switch off IGMP snooping or “multicast filtering” in switch and Wi-Fi. Until then keep HOMELINE_PHONE set.',
    );
  }
  return fault(
    hasOthers ? 'Other devices answered, but no phone with Messaging.' : 'No phone with Messaging answered.',
    'Check that the phone is on with UPnP enabled, and on this network rather than on guest Wi-Fi or another VLAN. If you know its address, set HOMELINE_PHONE to the URL of its description. `npm run phone` starts a software phone.',
  );
}
