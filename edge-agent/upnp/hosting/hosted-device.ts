// The model of a hosted device and its two documents: UPnP Device Architecture 2.0 §2.3 and §2.5 (H20).
// Callers pass the service tables in; this code does not know what the actions mean.
import { createHash } from 'node:crypto';
import { element, writeXml, type XmlElement } from '../xml/xml.ts';

export interface HostedVariable {
  readonly evented?: true;
  readonly allowed?: readonly string[];
  readonly default?: string;
}

/** Argument name → related state variable, in SCPD order. */
export interface HostedAction {
  readonly in: Readonly<Record<string, string>>;
  readonly out: Readonly<Record<string, string>>;
}

/** The control point that calls an action, and the origin of ours (`http://address:port`) that it used. */
export interface Caller {
  readonly address: string;
  readonly origin: string;
}

export interface HostedService {
  /** The highest served version, e.g. `urn:schemas-upnp-org:service:SwitchPower:2`; lower versions are served too. */
  readonly serviceType: string;
  readonly serviceId: string;
  /** A path segment of the service's URLs. */
  readonly path: string;
  readonly actions: Readonly<Record<string, HostedAction>>;
  readonly variables: Readonly<Record<string, HostedVariable>>;
  /**
   * Runs an action. All in arguments are present; enumerations hold an allowed value or the empty string.
   * Returns every out argument by name. Throws UpnpError `refused` with the code for the control point.
   */
  invoke(
    action: string,
    given: Readonly<Record<string, string>>,
    caller: Caller,
  ): Promise<Readonly<Record<string, string>>>;
  /** The current value of an evented variable. */
  valueOf(variable: string): string;
}

export interface HostedDevice {
  /** `uuid:…`, persisted by the caller (H9). */
  readonly udn: string;
  readonly deviceType: string;
  readonly friendlyName: string;
  readonly manufacturer: string;
  readonly manufacturerUrl?: string;
  readonly modelName: string;
  readonly modelDescription?: string;
  readonly modelNumber?: string;
  readonly services: readonly HostedService[];
}

/** Paths of a hosted device. */
export const descriptionPath = '/device.xml';
export const scpdPath = (service: HostedService) => `/${service.path}/scpd.xml`;
export const controlPath = (service: HostedService) => `/${service.path}/control`;
export const eventPath = (service: HostedService) => `/${service.path}/event`;

/** `Linux/6.1 UPnP/1.1 Product/1`, for SERVER headers. Characters that are illegal in a token become dashes. */
export function serverToken(system: { name: string; version: string }, product: { name: string; version: string }) {
  const token = (part: { name: string; version: string }) =>
    `${part.name}/${part.version}`.replace(/[^A-Za-z0-9./_+-]/g, '-');
  return `${token(system)} UPnP/1.1 ${token(product)}`;
}

/** CONFIGID.UPNP.ORG, 0…2^24−1: a hash of the description and the SCPDs (UDA 2.0 §1.2.2). */
export function configIdOf(device: HostedDevice): number {
  const hash = createHash('sha256').update(writeDescription(device, 0));
  for (const service of device.services) hash.update(writeScpd(service, 0));
  return hash.digest().readUIntBE(0, 3);
}

/** The device description (UDA 2.0 §2.3): relative URLs, no URLBase. */
export function writeDescription(device: HostedDevice, configId: number): string {
  const about: XmlElement[] = [
    element('deviceType', device.deviceType),
    element('friendlyName', device.friendlyName),
    element('manufacturer', device.manufacturer),
    ...optional('manufacturerURL', device.manufacturerUrl),
    ...optional('modelDescription', device.modelDescription),
    element('modelName', device.modelName),
    ...optional('modelNumber', device.modelNumber),
    element('UDN', device.udn),
  ];
  const services = device.services.map((service) =>
    element('service', [
      element('serviceType', service.serviceType),
      element('serviceId', service.serviceId),
      element('SCPDURL', scpdPath(service)),
      element('controlURL', controlPath(service)),
      element('eventSubURL', eventPath(service)),
    ]),
  );
  return writeXml(
    element('root', [specVersion, element('device', [...about, element('serviceList', services)])], {
      xmlns: 'urn:schemas-upnp-org:device-1-0',
      configId: String(configId),
    }),
    { declaration: true },
  );
}

/** The SCPD (UDA 2.0 §2.5), from the service's tables. */
export function writeScpd(service: HostedService, configId: number): string {
  const actions = Object.entries(service.actions).map(([name, action]) => {
    const list = [...argumentsOf(action.in, 'in'), ...argumentsOf(action.out, 'out')];
    return element('action', [element('name', name), ...(list.length === 0 ? [] : [element('argumentList', list)])]);
  });
  const variables = Object.entries(service.variables).map(([name, variable]) =>
    element(
      'stateVariable',
      [
        element('name', name),
        element('dataType', 'string'),
        ...(variable.allowed === undefined
          ? []
          : [
              element(
                'allowedValueList',
                variable.allowed.map((value) => element('allowedValue', value)),
              ),
            ]),
        ...optional('defaultValue', variable.default),
      ],
      { sendEvents: variable.evented ? 'yes' : 'no' },
    ),
  );
  return writeXml(
    element('scpd', [specVersion, element('actionList', actions), element('serviceStateTable', variables)], {
      xmlns: 'urn:schemas-upnp-org:service-1-0',
      configId: String(configId),
    }),
    { declaration: true },
  );
}

const specVersion = element('specVersion', [element('major', '1'), element('minor', '1')]);

function argumentsOf(list: Readonly<Record<string, string>>, direction: 'in' | 'out'): XmlElement[] {
  return Object.entries(list).map(([name, variable]) =>
    element('argument', [
      element('name', name),
      element('direction', direction),
      element('relatedStateVariable', variable),
    ]),
  );
}

function optional(name: string, value: string | undefined): XmlElement[] {
  return value === undefined ? [] : [element(name, value)];
}
