// A small hosted device on loopback, unrelated to telephony, and raw sockets to talk to it.
import { connect } from 'node:net';
import { UpnpError } from '../../../../edge-agent/upnp/error.ts';
import { DeviceHost, type DeviceHostOptions } from '../../../../edge-agent/upnp/hosting/device-host.ts';
import type { HostedDevice, HostedService } from '../../../../edge-agent/upnp/hosting/hosted-device.ts';
import { listInterfaces } from '../../../../edge-agent/upnp/network/address.ts';

export const loopback = listInterfaces(['lo']).filter(({ address }) => address === '127.0.0.1');
export const lampUdn = 'uuid:2fac1234-31f8-11b4-a222-08002b34c003';

export interface Lamp extends HostedService {
  power: string;
  readonly invoked: string[];
}

export function makeLamp(): Lamp {
  const lamp: Lamp = {
    serviceType: 'urn:schemas-upnp-org:service:SwitchPower:2',
    serviceId: 'urn:upnp-org:serviceId:SwitchPower',
    path: 'power',
    power: 'off',
    invoked: [],
    actions: {
      SetPower: { in: { Power: 'Status', By: 'A_ARG_TYPE_Name' }, out: {} },
      GetPower: { in: {}, out: { Power: 'Status', Level: 'Level' } },
      Break: { in: { How: 'A_ARG_TYPE_Name' }, out: {} },
    },
    variables: {
      Status: { evented: true, allowed: ['on', 'off'], default: 'off' },
      Level: { evented: true },
      A_ARG_TYPE_Name: {},
    },
    valueOf: (variable) => (variable === 'Status' ? lamp.power : '7'),
    invoke: async (action, given) => {
      lamp.invoked.push(action);
      if (action === 'Break' && given.How === 'refused') {
        throw new UpnpError('refused', 'no', { upnpCode: 712, upnpDescription: 'No <bulb>' });
      }
      if (action === 'Break') throw new Error('a secret of the inside');
      if (action === 'SetPower') lamp.power = given.Power ?? '';
      return action === 'GetPower' ? { Power: lamp.power, Level: '7' } : {};
    },
  };
  return lamp;
}

export function deviceOf(service: HostedService): HostedDevice {
  return {
    udn: lampUdn,
    deviceType: 'urn:schemas-upnp-org:device:BinaryLight:1',
    friendlyName: 'Lamp & <shade>',
    manufacturer: 'Nobody',
    modelName: 'L',
    services: [service],
  };
}

export interface HostedLamp {
  readonly lamp: Lamp;
  readonly host: DeviceHost;
  readonly port: number;
  readonly faults: Error[];
  url(path: string): string;
}

export async function hostLamp(options: Partial<DeviceHostOptions> = {}): Promise<HostedLamp> {
  const lamp = makeLamp();
  const faults: Error[] = [];
  const host = new DeviceHost({
    device: deviceOf(lamp),
    port: 0,
    server: 'Test/1 UPnP/1.1 Lamp/1',
    onFault: (error) => faults.push(error),
    ...options,
  });
  const [at] = loopback;
  if (at === undefined) throw new Error('There is no loopback.');
  const location = await host.open(at);
  return { lamp, host, port: Number(new URL(location).port), faults, url: (path) => new URL(path, location).href };
}

/** Sends bytes and resolves to what comes back until the peer closes or the timeout passes. */
export function exchangeRaw(port: number, sent: string, patienceMs = 300): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let received = '';
    const patience = setTimeout(() => socket.destroy(), patienceMs);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      clearTimeout(patience);
      resolve(received);
    });
    socket.write(sent, 'latin1');
  });
}

export function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0);
}
