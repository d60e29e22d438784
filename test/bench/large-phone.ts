// `node test/bench/large-phone.ts [messages …]`: the agent's cost of a phone with many messages: seconds until it is in
// step, memory, processor time, and the latency of a new message during the list. Cloud and agent are the real programs;
// the phone generates its list while it is read.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as after } from 'node:timers/promises';
import { writeDocument } from '../../edge-agent/messaging/documents.ts';
import { escapeText } from '../../edge-agent/upnp/xml/xml.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import { Household } from '../end-to-end/household.ts';
import { sampleMessage } from '../fixtures/phone/sample-message.ts';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';
import { report } from './report.ts';

const newEveryMs = 1500;
const giveUpMs = 10 * 60_000;

if (process.argv[2] === 'phone') await servePhone(Number(process.argv[3]));
else {
  const asked = process.argv.slice(2).map(Number);
  for (const messages of asked.length > 0 ? asked : [1000, 10_000, 20_000, 50_000]) await measure(messages);
}

async function measure(messages: number): Promise<void> {
  const phone = fork(import.meta.filename, ['phone', String(messages)]);
  const [{ location }] = (await once(phone, 'message')) as [{ location: string }];
  const household = await Household.open();
  const folder = await mkdtemp(join(tmpdir(), 'homeline-large-'));
  const startedAtMs = performance.now();
  const agent = await startAgent(household, location, folder);
  const watched = watchMemory(agent);
  const latencies: number[] = [];
  let isInStep = false;
  agent.stdout?.on('data', (text: Buffer) => {
    if (text.includes('In step with')) isInStep = true;
  });
  const reader = await household.events();
  const sentAtMs = new Map<string, number>();
  let listing = 0;
  phone.on('message', ({ listed }: { listed?: number }) => {
    listing = listed ?? listing;
  });
  for (let n = 0; !isInStep && performance.now() - startedAtMs < giveUpMs; n++) {
    await after(newEveryMs);
    if (isInStep || listing === 0) continue;
    const body = `new ${n}`;
    sentAtMs.set(body, performance.now());
    const arrival = reader.next('message.received', (event) => event.data.body === body);
    phone.send({ body });
    await arrival.then(
      () => latencies.push(performance.now() - (sentAtMs.get(body) ?? 0)),
      () => latencies.push(Number.POSITIVE_INFINITY),
    );
  }
  const inStepMs = performance.now() - startedAtMs;
  const peakMib = watched.peakMib();
  await after(3000);
  const figures = watched.end();
  const stored = reader.seen.filter(({ type }) => type === 'message.received').length;
  report({
    what: `${messages} messages`,
    inStepSeconds: isInStep ? round(inStepMs / 1000) : 'never',
    stored,
    peakMib,
    afterwardsMib: figures.rssMib,
    cpuSeconds: figures.cpuSeconds,
    newMessages: latencies.length,
    newMessageMedianMs: Math.round(latencies.toSorted((a, b) => a - b)[latencies.length >> 1] ?? 0),
    newMessageWorstMs: Math.round(Math.max(0, ...latencies)),
  });
  agent.disconnect();
  await once(agent, 'exit');
  phone.disconnect();
  await household.close();
  await rm(folder, { recursive: true });
}

function round(value: number): number {
  return Number(value.toFixed(1));
}

async function startAgent(household: Household, location: string, folder: string): Promise<ChildProcess> {
  const { token } = await household.home('POST', '/agents', { name: 'bench' });
  return fork(resolve(import.meta.dirname, '../../edge-agent/main.ts'), [], {
    env: {
      PATH: process.env.PATH,
      HOMELINE_CLOUD: household.url.replace(/^http/, 'ws'),
      HOMELINE_AGENT_TOKEN: token,
      HOMELINE_PHONE: location,
      HOMELINE_INTERFACE: 'lo',
      HOMELINE_DATA: folder,
      HOMELINE_SSDP_PORT: '41901',
      NODE_COMPILE_CACHE: join(folder, 'cache'),
    },
    silent: true,
  });
}

/** Resident memory (Linux). */
function watchMemory({ pid }: ChildProcess) {
  const started = Date.now();
  const mib = (name: string) =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024);
  return {
    started,
    peakMib: () => mib('VmHWM'),
    end: () => {
      const [, fields = ''] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
      const [user = 0, system = 0] = fields.split(' ').slice(11, 13).map(Number);
      return { rssMib: mib('VmRSS'), cpuSeconds: round((user + system) / 100) };
    },
  };
}

/** The phone's own process. */
async function servePhone(count: number): Promise<void> {
  const phone = new ScriptedPhone();
  const fresh: PhoneMessage[] = [];
  phone.react = ({ action, given }) => {
    if (action !== 'SearchMessages') return undefined;
    if (given.get('MessageStatus') === 'Unread') return { MessageList: writeDocument('messageList', fresh) };
    if (given.get('MessageFolder') !== 'ANY') return { MessageList: writeDocument('messageList', []) };
    process.send?.({ listed: 1 });
    return Readable.from(bodyOf(count, fresh));
  };
  await phone.start();
  process.on('message', ({ body }: { body: string }) => {
    const message = sampleMessage({ messageId: `new-${fresh.length}`, body, time: new Date().toISOString() });
    fresh.push(message);
    void phone.notifyNewMessages(message);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ location: phone.location });
}

function* bodyOf(count: number, fresh: readonly PhoneMessage[]): Generator<string> {
  yield '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>';
  yield '<u:SearchMessagesResponse xmlns:u="urn:schemas-upnp-org:service:Messaging:2"><MessageList>';
  yield escapeText('<messageList xmlns="urn:homeline:messaging:1">');
  const firstMs = Date.UTC(2020, 0, 1);
  for (let at = 0; at < count; at += 50) {
    let piece = '';
    for (let n = at; n < Math.min(count, at + 50); n++) {
      const message = sampleMessage({
        messageId: `m-${n}`,
        status: 'Read',
        from: { address: `+3901100${n % 500}` },
        body: `Message ${n}: dinner at 8? There is cake, and it is è buona.`,
        time: new Date(firstMs + n * 3_600_000).toISOString(),
      });
      piece += writeDocument('message', message).replace(' xmlns="urn:homeline:messaging:1"', '');
    }
    yield escapeText(piece);
  }
  for (const message of fresh) yield escapeText(writeDocument('message', message));
  yield `${escapeText('</messageList>')}</MessageList></u:SearchMessagesResponse></s:Body></s:Envelope>`;
}
