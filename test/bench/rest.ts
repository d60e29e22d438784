// What the way through the cloud costs: a SOAP call straight to a phone, the same call through a chain of as many
// processes that do nothing but carry it (bare-chain.ts), and by REST → tunnel → SOAP. And how long an event takes from
// the phone to a server-sent event. Cloud, phone and agent are processes of their own.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { EventReader } from '../end-to-end/event-reader.ts';
import { startBareChain } from './bare-chain.ts';
import { type Figures, loadInTurns, quantile, type Shot } from './load.ts';
import { report } from './report.ts';

const root = resolve(import.meta.dirname, '../..');
const token = `hl_${'b'.repeat(43)}`;
const seconds = Number(process.env.BENCH_SECONDS ?? 4);
const type = 'urn:schemas-upnp-org:service:Messaging:2';

const argumentsOf = {
  GetSessions: () => ({ SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' }),
  SendMessage: (count: number) => ({
    MessageToSend:
      '<message xmlns="urn:homeline:messaging:1"><messageClass>SMS</messageClass><recipients><recipient>' +
      `<address>+3933${count}</address></recipient></recipients><content type="text/plain">bench ${count}</content></message>`,
  }),
};

const folder = await mkdtemp(join(tmpdir(), 'homeline-bench-'));
const house = spawn(process.execPath, ['infra/start.ts'], {
  cwd: root,
  env: {
    ...process.env,
    HOMELINE_DATA: folder,
    HOMELINE_PORT: '0',
    HOMELINE_OWNER_TOKEN: token,
    HOMELINE_RATE_PER_SECOND: '0',
    HOMELINE_SENDS_PER_DAY: '0',
    HOMELINE_SSDP_PORT: '19090',
  },
  stdio: ['ignore', 'pipe', 'inherit'],
});

try {
  let url = '';
  for await (const line of createInterface({ input: house.stdout })) {
    url = /Dashboard:\s+(http:\S+?)\/#/.exec(line)?.[1] ?? url;
    if (line.includes('In step with the phone')) break;
  }
  house.stdout.resume();
  const authorized = { authorization: `Bearer ${token}` };
  const { items } = (await (await fetch(`${url}/v1/homes/home/phones`, { headers: authorized })).json()) as {
    items: { id: string }[];
  };
  const [phone] = items;
  if (phone === undefined) throw new Error('No phone was found.');

  await measureEvents(url);
  // A phone of its own, unknown to the agent: what was sent straight to it must not be synchronised meanwhile.
  const lone = fork(join(root, 'edge-agent/phone/main.ts'), {
    env: { ...process.env, HOMELINE_DATA: join(folder, 'lone'), HOMELINE_INTERFACE: 'lo', HOMELINE_SSDP_PORT: '19091' },
    silent: true,
  });
  const [{ location }] = (await once(lone, 'message')) as [{ location: string }];
  const soapUrl = new URL('/messaging/control', location).href;
  const chain = await startBareChain(soapUrl);
  for (const action of ['GetSessions', 'SendMessage'] as const) {
    for (const clients of [1, 16, 64]) {
      const [direct, bare, rest] = (await loadInTurns(clients, seconds, [
        (count) => soapShot(soapUrl, action, count),
        (count) => soapShot(chain.url, action, count),
        (count) => restShot(url, phone.id, action, count),
      ])) as [Figures, Figures, Figures];
      tell(action, 'direct SOAP', direct);
      tell(action, 'bare chain', bare, { direct });
      tell(action, 'REST → tunnel → SOAP', rest, { direct, bare });
    }
  }
  chain.stop();
  lone.kill('SIGTERM');
  await once(lone, 'close');
} finally {
  house.kill('SIGINT');
  await once(house, 'close');
  await rm(folder, { recursive: true });
}

function tell(action: string, way: string, figures: Figures, others: Readonly<Record<string, Figures>> = {}): void {
  const ratios = Object.entries(others).flatMap(([name, other]) => [
    [`p50To_${name}`, round(figures.p50Ms / other.p50Ms)],
    [`perSecondTo_${name}`, round(figures.perSecond / other.perSecond)],
  ]);
  report({ bench: 'rest', action, way, ...figures, ...Object.fromEntries(ratios) });
}

function soapShot(url: string, action: 'GetSessions' | 'SendMessage', count: number): Shot {
  const inside = Object.entries(argumentsOf[action](count))
    .map(([name, value]) => `<${name}>${value.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</${name}>`)
    .join('');
  const body = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body><u:${action} xmlns:u="${type}">${inside}</u:${action}></s:Body></s:Envelope>`;
  return {
    url,
    method: 'POST',
    headers: {
      'content-type': 'text/xml; charset="utf-8"',
      soapaction: `"${type}#${action}"`,
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

function restShot(url: string, phone: string, action: 'GetSessions' | 'SendMessage', count: number): Shot {
  const isSend = action === 'SendMessage';
  const body = JSON.stringify(
    isSend
      ? { messageClass: 'SMS', to: [`+3934${count}`], body: `bench ${count}` }
      : { arguments: argumentsOf.GetSessions() },
  );
  return {
    url: `${url}/v1/homes/home/${isSend ? 'messages' : `phones/${phone}/actions/${action}`}`,
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(body)),
    },
    body,
  };
}

/**
 * From the moment at which somebody makes the phone receive a message until the event is read from the stream. Each is
 * read then, as somebody would: a phone has to list its unread messages to show the new one.
 */
async function measureEvents(url: string): Promise<void> {
  const control = JSON.parse(await readFile(join(folder, 'phone/control.json'), 'utf8')) as {
    url: string;
    token: string;
  };
  const reader = await EventReader.open(`${url}/v1/homes/home/events`, token);
  const times: number[] = [];
  const count = 300;
  for (let each = 0; each < count; each++) {
    const text = `event ${each}`;
    const began = performance.now();
    const arrived = reader
      .next('message.received', (event) => event.data.body === text)
      .then((event) => ({ event, atMs: performance.now() }));
    await fetch(new URL('/happen', control.url), {
      method: 'POST',
      headers: { Accept: 'application/json' },
      body: new URLSearchParams({ token: control.token, what: 'message', from: `+39${each}`, text }),
    });
    const { event, atMs } = await arrived;
    times.push(atMs - began);
    await fetch(`${url}/v1/homes/home/messages/${event.data.id}/read`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
  }
  reader.close();
  times.sort((a, b) => a - b);
  report({
    bench: 'event',
    way: 'event at the phone → SSE',
    requests: count,
    p50Ms: quantile(times, 0.5),
    p99Ms: quantile(times, 0.99),
  });
}

function round(ratio: number): number {
  return Math.round(ratio * 100) / 100;
}
