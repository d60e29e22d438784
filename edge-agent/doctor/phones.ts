// The doctor looks for phones: what answers a search, and whether what answers can be the telephone of this house.
import { networkInterfaces } from 'node:os';
import { searchTargets } from '../agent.ts';
import { type Advertisement, SsdpDiscovery } from '../upnp/discovery/ssdp.ts';
import { GenaSubscriber } from '../upnp/eventing/gena.ts';
import { interfaceOf, listInterfaces } from '../upnp/network/address.ts';
import { parseHttpUrl } from '../upnp/network/http-url.ts';
import { LanNetwork } from '../upnp/network/network.ts';
import { type Finding, fault, note } from './finding.ts';
import { examinePhone } from './phone.ts';

export interface PhonesExamination {
  readonly interfaces: readonly string[];
  readonly ssdpPort: number;
  /** The description of a phone that discovery may not find. */
  readonly phoneUrl?: string | undefined;
  /** How long answers are waited for; 4 s unless told: devices may take 2, and the search is sent three times. */
  readonly listenMs?: number;
  /** How long a first event is waited for; 3 s unless told. */
  readonly eventWithinMs?: number;
}

const standardListenMs = 4000;
const standardEventMs = 3000;
const mostNamed = 8;

export async function examinePhones(examination: PhonesExamination): Promise<Finding[]> {
  const { interfaces, phoneUrl, eventWithinMs = standardEventMs } = examination;
  const network = new LanNetwork({ interfaces, allowOwnAddress: true });
  const subscriber = new GenaSubscriber(network);
  await network.start();
  await subscriber.start();
  try {
    const [phones, others] = await Promise.all([
      search(examination, searchTargets),
      search(examination, ['upnp:rootdevice']),
    ]);
    const findings = [tellAnswers([...phones, ...others])];
    const heard = new Set(phones.map(({ location }) => location));
    let works = false;
    for (const location of new Set([...heard, ...(phoneUrl === undefined ? [] : [phoneUrl])])) {
      const far = location === phoneUrl ? tellFarAway(location, interfaces) : undefined;
      const told = far === undefined ? await examinePhone(network, subscriber, location, eventWithinMs) : [far];
      works ||= told.some(({ kind }) => kind === 'fine');
      findings.push(...told, ...(heard.has(location) ? tellOwnAddress(location, examination) : []));
    }
    if (heard.size === 0) findings.push(tellSilence(works, others.length > 0));
    return findings;
  } finally {
    await subscriber.stop();
    await network.stop();
  }
}

/** Whoever answers a search for these, or announces itself meanwhile. */
async function search(
  { interfaces, ssdpPort, listenMs }: PhonesExamination,
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
    // What is wrong with a network has been told by then.
    onFault: () => undefined,
  });
  await discovery.start();
  await new Promise((resolve) => setTimeout(resolve, listenMs ?? standardListenMs));
  await discovery.stop();
  return found;
}

function tellAnswers(found: readonly Advertisement[]): Finding {
  const hosts = [...new Set(found.map(({ from, interfaceName }) => `${from} (${interfaceName})`))];
  if (hosts.length === 0) return note('Nothing at all answered the search.');
  const more = hosts.length > mostNamed ? ` and ${hosts.length - mostNamed} more` : '';
  return note(`Answered the search: ${hosts.slice(0, mostNamed).join(', ')}${more}.`);
}

/** A phone that is named but on no network that is looked at; undefined where it is, or where its name must first be looked up. */
function tellFarAway(location: string, interfaces: readonly string[]): Finding | undefined {
  const address = parseHttpUrl(location)?.address;
  if (address === undefined || interfaceOf(address, listInterfaces(interfaces)) !== undefined) return undefined;
  const elsewhere = interfaceOf(address, listInterfaces(Object.keys(networkInterfaces())));
  if (elsewhere !== undefined) {
    return fault(
      `The phone at ${address} is on ${elsewhere.name}, where it is not looked for.`,
      `Set HOMELINE_INTERFACE to ${[...interfaces, elsewhere.name].join(',')}.`,
    );
  }
  const own = listInterfaces(interfaces).map((at) => `${at.address}/${at.prefixLength} (${at.name})`);
  return fault(
    `The phone at ${address} is on no network of this machine: ${own.join(', ') || 'there is none'}.`,
    'Put both into the same network: UPnP crosses neither routers nor VLANs nor guest Wi-Fi. Or correct HOMELINE_PHONE.',
  );
}

/** The agent takes a device at its own address for a forgery, unless it is told of it. */
function tellOwnAddress(location: string, { interfaces, phoneUrl }: PhonesExamination): Finding[] {
  const address = parseHttpUrl(location)?.address;
  const at = listInterfaces(interfaces).find((one) => one.address === address);
  if (at === undefined || at.internal || phoneUrl !== undefined) return [];
  return [note(`It is at this machine's own address: the agent takes it only with HOMELINE_PHONE=${location}.`)];
}

function tellSilence(isReachedByUrl: boolean, hasOthers: boolean): Finding {
  if (isReachedByUrl) {
    return fault(
      'The phone works, but did not answer the search: something drops UDP between it and this machine.',
      'Let UDP in from the phone’s network in the firewall of this machine, and switch off IGMP snooping or “multicast filtering” in switch and Wi-Fi. Until then keep HOMELINE_PHONE set.',
    );
  }
  return fault(
    hasOthers ? 'Other devices answered, but no phone with Messaging.' : 'No phone with Messaging answered.',
    'Is it on, with UPnP allowed? Is it in this very network, not in a guest Wi-Fi or another VLAN? If its address is known, set HOMELINE_PHONE to the URL of its description. `npm run phone` starts one in software.',
  );
}
