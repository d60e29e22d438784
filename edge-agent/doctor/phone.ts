// Checks one phone: its description, a read-only action, and whether its events reach this machine.

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
/** @param eventWithinMs how long to wait for the first event, which should follow the answer to SUBSCRIBE at once */
export async function checkPhone(
  network: Network,
  subscriber: GenaSubscriber,
  location: string,
  eventWithinMs: number,
): Promise<Finding[]> {
  let root: DeviceDescription;
  try {
    root = await readDescription(network, location);
  } catch (error) {
    return [unreadableFault(location, error)];
  }
  const findings: Finding[] = [];
  for (const device of walkDevices(root)) {
    const service = device.services.find(({ name }) => name.toLowerCase() === 'messaging');
    if (service === undefined) continue;
    findings.push(
      fine(`“${device.friendlyName}” at ${location} has ${service.name}:${service.version}; its UDN is ${device.udn}.`),
      await checkControl(network, service),
      await checkEvents(subscriber, service, eventWithinMs),
    );
  }
  if (findings.length > 0) return findings;
  return [
    fault(
      `The device at ${location} (“${root.friendlyName}”) has no Messaging service.`,
      'Switch messaging on in the phone, or set HOMELINE_PHONE to another one.',
    ),
  ];
}

function unreadableFault(location: string, error: unknown): Finding {
  const message = messageOf(error);
  if (error instanceof UpnpError && error.kind === 'unreachable') {
    return fault(
      `The description at ${location} cannot be fetched. ${message}.`,
      'Check that the phone is on and that this is its current address. If the phone has a list of allowed machines (HOMELINE_PHONE_ALLOW in ours), add this one.',
    );
  }
  return fault(
    `There is no device description at ${location}. ${message}.`,
    'Set HOMELINE_PHONE to the URL of the description itself, from the phone’s manual or from LOCATION in its announcements.',
  );
}

/** Calls the one action that every phone must have and that returns nothing private. */
async function checkControl(network: Network, { controlUrl, serviceType }: ServiceDescription): Promise<Finding> {
  const action = 'GetMessagingCapabilities';
  const call = { controlUrl, serviceType, action, arguments: [], deadlineMs: callDeadlineMs, repeatable: true };
  try {
    await callAction(network, call);
    return fine('It answers actions.');
  } catch (error) {
    // A SOAP fault is an answer too.
    if (error instanceof UpnpError && error.upnpCode !== undefined) {
      return note(`It refuses ${action}, so its capabilities are unknown (UPnP error ${error.upnpCode}).`);
    }
    return fault(
      `It does not answer actions. ${messageOf(error)}.`,
      'Restart the phone, and check that its settings allow this machine to use it.',
    );
  }
}

async function checkEvents(
  subscriber: GenaSubscriber,
  { eventSubUrl }: ServiceDescription,
  eventWithinMs: number,
): Promise<Finding> {
  if (eventSubUrl === undefined) return note('It offers no events, so the agent polls it and messages arrive later.');
  let settle: (arrived: boolean) => void = () => undefined;
  const arrived = new Promise<boolean>((resolve) => {
    settle = resolve;
  });
  const late = setTimeout(() => settle(false), eventWithinMs);
  try {
    const subscription = await subscriber.subscribe({
      eventSubUrl,
      onEvent: () => settle(true),
      onGap: () => undefined,
      onLapse: () => undefined,
    });
    const hasArrived = await arrived;
    await subscription.cancel();
    if (hasArrived) return fine('Its events reach this machine.');
    const host = parseHttpUrl(eventSubUrl)?.host ?? 'the phone';
    return fault(
      'It granted a subscription, but its first event did not reach this machine.',
      `Allow incoming TCP from ${host} in this machine’s firewall (for example: ufw allow from ${host}). Until then the agent polls, and messages arrive late.`,
    );
  } catch (error) {
    return refusedEventsFault(error);
  } finally {
    clearTimeout(late);
  }
}

/** Without events the agent polls: messages still arrive, but later. */
function refusedEventsFault(error: unknown): Finding {
  const status = error instanceof UpnpError ? error.httpStatus : undefined;
  const says = `It refuses to send events. ${messageOf(error)}. The agent polls it instead, and messages arrive later.`;
  if (status === 412) {
    return fault(
      says,
      'It refuses the address for events, which must be in its own network. If this machine is behind NAT, in a container or on several networks, set HOMELINE_INTERFACE to the right one.',
    );
  }
  if (status === 503) {
    return fault(
      says,
      'It cannot take another subscriber. Stop another program that subscribes to it, or restart the phone.',
    );
  }
  return fault(says, 'Restart the phone and update its software. Some phones never send events.');
}

/** Our own message: a device's text must not reach the terminal. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\.$/, '');
}
