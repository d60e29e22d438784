// The settings of `npm run agent`.
import { z } from 'zod';
import { listSetting, portSetting } from '../protocol/settings.ts';
import { formatHttpUrl, parseHttpUrl } from './upnp/network/http-url.ts';

const tunnelPath = '/v1/tunnel';

export const agentSettings = {
  cloud: {
    name: 'HOMELINE_CLOUD',
    meaning: 'The cloud: ws://… or wss://…; without a path, the usual one is taken.',
    schema: z
      .string({ error: 'is needed: the address of the cloud, such as wss://homeline.example.org' })
      .transform((text, context) => {
        const url = URL.parse(text);
        if (url !== null && (url.protocol === 'ws:' || url.protocol === 'wss:') && url.username === '') {
          if (url.pathname === '/') url.pathname = tunnelPath;
          url.hash = '';
          return url.href;
        }
        context.addIssue('must be a WebSocket address, such as wss://homeline.example.org');
        return z.NEVER;
      }),
  },
  token: {
    name: 'HOMELINE_AGENT_TOKEN',
    meaning: "The agent's token, as the dashboard or POST /v1/homes/{home}/agents gave it.",
    schema: z
      .string({ error: 'is needed: make one in the dashboard, or by POST /v1/homes/{home}/agents' })
      .regex(/^[\x21-\x7e]{1,512}$/, 'must be the token alone, without blanks'),
  },
  interfaces: {
    name: 'HOMELINE_INTERFACE',
    meaning: 'Networks on which to look for phones, by comma; lo only when it is named.',
    schema: listSetting,
    default: 'all but lo',
  },
  phone: {
    name: 'HOMELINE_PHONE',
    meaning: "The URL of a phone's description, where discovery cannot find it; that phone is trusted.",
    schema: z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined) return undefined;
        // Not URL's own reading, which knows no zone of a link-local address.
        const url = parseHttpUrl(text);
        if (url !== undefined) return formatHttpUrl(url);
        context.addIssue('must be a URL such as http://192.168.1.20:49200/description.xml');
        return z.NEVER;
      }),
  },
  trust: {
    name: 'HOMELINE_TRUST',
    meaning: "UDNs of phones that are the household's without being asked, by comma.",
    schema: listSetting,
    default: 'none',
  },
  data: {
    name: 'HOMELINE_DATA',
    meaning: 'The data folder: what the agent must not forget.',
    schema: z.string().default('.homeline'),
    default: '.homeline',
  },
  ssdpPort: {
    name: 'HOMELINE_SSDP_PORT',
    meaning: 'UDP port of UPnP discovery; another than the standard one is for tests.',
    schema: portSetting(1900),
    default: '1900',
  },
} as const;

/** Whether the token would cross a network in clear: plain ws:// to anything but this machine. */
export function isTokenInClear(cloud: string): boolean {
  const { protocol, hostname } = new URL(cloud);
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  return protocol === 'ws:' && !isLoopback;
}
