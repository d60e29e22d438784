// The settings of `npm run phone`.
import { isIP } from 'node:net';
import { z } from 'zod';
import { listSetting, pathSetting, portSetting, type Setting } from '../../protocol/settings.ts';

export const phoneSettings = {
  interfaces: {
    name: 'HOMELINE_INTERFACE',
    meaning: 'Networks on which the phone can be found, comma-separated; lo keeps it to this machine.',
    schema: listSetting,
    default: 'all but lo',
  },
  port: {
    name: 'HOMELINE_PHONE_PORT',
    meaning: 'TCP port of the phone on each of these networks; 0 picks a free port.',
    schema: portSetting(0),
    default: '0',
  },
  pagePort: {
    name: 'HOMELINE_PHONE_PAGE_PORT',
    meaning: "TCP port of the phone's page, on this machine only; 0 picks a free port.",
    schema: portSetting(0),
    default: '0',
  },
  ssdpPort: {
    name: 'HOMELINE_SSDP_PORT',
    meaning: 'UDP port of UPnP discovery; change it only for tests.',
    schema: portSetting(1900),
    default: '1900',
  },
  dataFolder: {
    name: 'HOMELINE_DATA',
    meaning: 'Data folder; the phone uses a subfolder of it.',
    schema: pathSetting.default('.homeline'),
    default: '.homeline',
  },
  phoneName: {
    name: 'HOMELINE_PHONE_NAME',
    meaning: 'Name of the phone.',
    schema: z.string().max(64, 'a name has at most 64 characters').default('Home phone'),
    default: 'Home phone',
  },
  number: {
    name: 'HOMELINE_PHONE_NUMBER',
    meaning: "The phone's own number or address.",
    schema: z.string().max(256, 'an address has at most 256 characters').default('+390119999'),
    default: '+390119999',
  },
  kind: {
    name: 'HOMELINE_PHONE_KIND',
    meaning: 'server or client: a UPnP TelephonyServer:2 or TelephonyClient:2.',
    schema: z.enum(['server', 'client'], { error: 'must be server or client' }).default('server'),
    default: 'server',
  },
  allowed: {
    name: 'HOMELINE_PHONE_ALLOW',
    meaning: 'IP addresses of the control points that may use the phone, comma-separated.',
    schema: listSetting.refine((list) => list.every((one) => isIP(one) > 0), 'must be IP addresses, comma-separated'),
    default: 'all on these networks',
  },
} as const satisfies Record<string, Setting>;
