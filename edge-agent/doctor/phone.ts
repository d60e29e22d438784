// The doctor looks at one phone: its description, an action that changes nothing, and whether its events reach us.

import { callAction } from '../upnp/control/soap.ts';
import {
  type DeviceDescription,
  readDescription,
  type ServiceDescription,
  walkDevices,
} from '../upnp/description/description.ts';
import { UpnpError } from '../upnp/error.ts';
import type { GenaSubscriber } from '../upnp/eventing/gena.ts';
import { parseHttpUrl } from '../upnp/network/http-url.ts';
import type { Network } from '../upnp/network/network.ts';
import { type Finding, fault, fine, note } from './finding.ts';

const callDeadlineMs = 10_000;
/** @param eventWithinMs how long the first event may take; it follows the answer to SUBSCRIBE at once */
export async function examinePhone(
  network: Network,
  subscriber: GenaSubscriber,
  location: string,
  eventWithinMs: number,
): Promise<Finding[]> {
  let root: DeviceDescription;
  try {
    root = await readDescription(network, location);
  } catch (error) {
    return [tellUnreadable(location, error)];
  }
  const findings: Finding[] = [];
  for (const device of walkDevices(root)) {
    const service = device.services.find(({ name }) => name.toLowerCase() === 'messaging');
    if (service === undefined) continue;
    findings.push(
      fine(`“${device.friendlyName}” at ${location} has ${service.name}:${service.version}; it is ${device.udn}.`),
      await examineControl(network, service),
      await examineEvents(subscriber, service, eventWithinMs),
    );
  }
  if (findings.length > 0) return findings;
  return [
    fault(
      `What is described at ${location} (“${root.friendlyName}”) offers no Messaging service.`,
      'Switch messaging on in the telephone, or name another one by HOMELINE_PHONE.',
    ),
  ];
}

function tellUnreadable(location: string, error: unknown): Finding {
  const words = wordsOf(error);
  if (error instanceof UpnpError && error.kind === 'unreachable') {
    return fault(
      `The description at ${location} cannot be fetched. ${words}.`,
      'Is the telephone on, and is that its address now? A telephone with a list of those whom it lets in (HOMELINE_PHONE_ALLOW in ours) must name this machine.',
    );
  }
  return fault(
    `What is at ${location} is no description of a device. ${words}.`,
    'HOMELINE_PHONE must be the URL of the description itself, as the telephone’s manual or LOCATION in its announcements gives it.',
  );
}

/** Calls the one action that every phone must have and that asks for nothing private. */
async function examineControl(network: Network, { controlUrl, serviceType }: ServiceDescription): Promise<Finding> {
  const action = 'GetMessagingCapabilities';
  const call = { controlUrl, serviceType, action, arguments: [], deadlineMs: callDeadlineMs, repeatable: true };
  try {
    await callAction(network, call);
    return fine('It answers actions.');
  } catch (error) {
    // A fault is an answer too.
    if (error instanceof UpnpError && error.upnpCode !== undefined) {
      return note(`It refuses ${action} with UPnP error ${error.upnpCode}; what it can do is then not known.`);
    }
    return fault(
      `It does not answer actions. ${wordsOf(error)}.`,
      'Restart the telephone. Does it let this machine use it, and not only find it?',
    );
  }
}

async function examineEvents(
  subscriber: GenaSubscriber,
  { eventSubUrl }: ServiceDescription,
  eventWithinMs: number,
): Promise<Finding> {
  if (eventSubUrl === undefined) return note('It offers no events: the agent asks it again and again instead.');
  let hasHeard: (heard: boolean) => void = () => undefined;
  const heard = new Promise<boolean>((resolve) => {
    hasHeard = resolve;
  });
  const late = setTimeout(() => hasHeard(false), eventWithinMs);
  try {
    const subscription = await subscriber.subscribe({
      eventSubUrl,
      onEvent: () => hasHeard(true),
      onGap: () => undefined,
      onLapse: () => undefined,
    });
    const isHeard = await heard;
    await subscription.cancel();
    if (isHeard) return fine('Its events reach this machine.');
    const host = parseHttpUrl(eventSubUrl)?.host ?? 'the phone';
    return fault(
      'It granted a subscription, but its first event did not reach this machine.',
      `Let TCP in from ${host} in the firewall of this machine (for example: ufw allow from ${host}). Until then the agent compares now and then, and messages come late.`,
    );
  } catch (error) {
    return tellRefusal(error);
  } finally {
    clearTimeout(late);
  }
}

/** Without events the agent polls, so messages still come, but later. */
function tellRefusal(error: unknown): Finding {
  const status = error instanceof UpnpError ? error.httpStatus : undefined;
  const says = `It refuses to send events. ${wordsOf(error)}. The agent asks it again and again instead, and messages come later.`;
  if (status === 412) {
    return fault(
      says,
      'It does not like the address that events shall go to: it must be in its own network. Is this machine behind NAT, in a container or in several networks? Name the right one by HOMELINE_INTERFACE.',
    );
  }
  if (status === 503) {
    return fault(
      says,
      'It has no room for another subscriber: stop another program that listens to it, or restart it.',
    );
  }
  return fault(says, 'Restart the telephone, and update its software; some never send events.');
}

/** Our own words: what a device says of itself is not for the terminal. */
function wordsOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
