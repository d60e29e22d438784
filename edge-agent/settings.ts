// The settings of `npm run agent`.
import { z } from 'zod';
import {
  listSetting,
  pathSetting,
  portSetting,
  type Setting,
  type SettingFault,
  type SettingValues,
} from '../protocol/settings.ts';
import { readSecretFile, SecretFileFault } from '../shared/node/secret-file.ts';
import { formatHttpUrl, parseHttpUrl } from './upnp/network/http-url.ts';

const tunnelPath = '/v1/tunnel';
const agentToken = /^[\x21-\x7e]{1,512}$/;

export const agentSettings = {
  cloud: {
    name: 'HOMELINE_CLOUD',
    meaning: 'The cloud’s address, ws://… or wss://…; the path may be left out.',
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
    schema: z.string().regex(agentToken, 'must be the token alone, without blanks').optional(),
  },
  tokenFile: {
    name: 'HOMELINE_AGENT_TOKEN_FILE',
    meaning: 'A file that holds the token and that only this user can read (chmod 600); read again at each connection.',
    schema: pathSetting.optional(),
  },
  interfaces: {
    name: 'HOMELINE_INTERFACE',
    meaning: 'Network interfaces on which to search for phones, comma-separated; lo must be named to be used.',
    schema: listSetting,
    default: 'all but lo',
  },
  phone: {
    name: 'HOMELINE_PHONE',
    meaning: "The URL of a phone's description, if discovery cannot find the phone; that phone is trusted.",
    schema: z
      .string()
      .optional()
      .transform((text, context) => {
        if (text === undefined) return undefined;
        // URL cannot parse the zone of a link-local address.
        const url = parseHttpUrl(text);
        if (url !== undefined) return formatHttpUrl(url);
        context.addIssue('must be a URL such as http://192.168.1.20:49200/description.xml');
        return z.NEVER;
      }),
  },
  trust: {
    name: 'HOMELINE_TRUST',
    meaning: 'UDNs of phones that are trusted without approval in the dashboard, comma-separated.',
    schema: listSetting,
    default: 'none',
  },
  data: {
    name: 'HOMELINE_DATA',
    meaning: 'The data folder, which holds the agent’s journal and outbox.',
    schema: pathSetting.default('.homeline'),
    default: '.homeline',
  },
  ssdpPort: {
    name: 'HOMELINE_SSDP_PORT',
    meaning: 'UDP port of UPnP discovery; change it only for tests.',
    schema: portSetting(1900),
    default: '1900',
  },
} as const satisfies Record<string, Setting>;

type AgentSettings = SettingValues<typeof agentSettings>;

/** Checks the token and its file against each other. */
export function checkAgentToken(values: Partial<AgentSettings>): SettingFault[] {
  // An invalid token has its fault already.
  if (!('token' in values && 'tokenFile' in values)) return [];
  const { token, tokenFile } = values;
  if (token !== undefined && tokenFile !== undefined) {
    return [{ key: 'tokenFile', fault: 'is set together with HOMELINE_AGENT_TOKEN: set only one of the two' }];
  }
  if (tokenFile === undefined) {
    const fault =
      'is needed: create a token in the dashboard or with POST /v1/homes/{home}/agents, and name the file that holds it';
    return token === undefined ? [{ key: 'tokenFile', fault }] : [];
  }
  try {
    readAgentToken(tokenFile);
    return [];
  } catch (error) {
    return [{ key: 'tokenFile', fault: error instanceof Error ? error.message : String(error) }];
  }
}

/** @throws SecretFileFault */
export function readAgentToken(file: string): string {
  const token = readSecretFile(file);
  if (!agentToken.test(token)) throw new SecretFileFault(`${file} must hold the token alone, without blanks`);
  return token;
}

/** Whether the token would cross a network in clear text: plain ws:// to anything but this machine. */
export function isTokenInClear(cloud: string): boolean {
  const { protocol, hostname } = new URL(cloud);
  const isLoopback = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  return protocol === 'ws:' && !isLoopback;
}
