// `node test/bench/phone.ts`: the software phone over loopback, in a separate process. Prints JSON lines.
// Measures what one core gives, so the load comes from bare sockets.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { writeDocument } from '../../edge-agent/messaging/documents.ts';
import { say } from '../../edge-agent/phone/say.ts';
import { writeActionRequest } from '../../edge-agent/upnp/control/soap-envelope.ts';

const serviceType = 'urn:schemas-upnp-org:service:Messaging:2';
const seconds = Number(process.argv[2] ?? 5);
const folder = mkdtempSync(join(tmpdir(), 'homeline-bench-'));
const child = fork(resolve(import.meta.dirname, '../../edge-agent/phone/main.ts'), ['--ssdp-port', '41900'], {
  env: { PATH: process.env.PATH, HOMELINE_DATA: folder, HOMELINE_INTERFACE: 'lo' },
  silent: true,
});
const { location } = await new Promise<{ location: string }>((done) =>
  child.once('message', (message) => done(message as { location: string })),
);
const base = new URL(location);

const ada = { address: 'xmpp:ada@chat.example', displayName: 'Ada' };
await load(
  'prepare',
  'CreateSession',
  1,
  0.2,
  [
    ['SessionClass', 'Chat'],
    ['SessionRecipients', writeDocument('recipientsList', [ada])],
    ['Subject', 'Boiler'],
    ['SupportedContentType', ''],
  ],
  10,
);
const getSessions: [string, string][] = [
  ['SessionID', ''],
  ['SessionClass', 'ANY'],
  ['SessionStatus', 'ANY'],
];
await load('warm-up', 'GetSessions', 64, 2, getSessions);
print('GetSessions, 10 sessions, 64 connections', await load('', 'GetSessions', 64, seconds, getSessions));
print('GetSessions, 10 sessions, 1 connection', await load('', 'GetSessions', 1, seconds, getSessions));
const one: [string, string][] = [
  ['SessionID', 's-1'],
  ['SessionClass', 'ANY'],
  ['SessionStatus', 'ANY'],
];
print('GetSessions of one session, 64 connections', await load('', 'GetSessions', 64, seconds, one));
const message = writeDocument('message', {
  messageId: '',
  messageClass: 'SMS',
  folder: 'Outgoing',
  status: 'Read',
  from: { address: '' },
  to: [{ address: '+390000000' }],
  contentType: 'text/plain',
  body: 'On my way, ten minutes.',
  attachments: [],
  time: new Date(0).toISOString(),
});
print('SendMessage, durable, 64 connections', await load('', 'SendMessage', 64, seconds, [['MessageToSend', message]]));
print('SendMessage, durable, 1 connection', await load('', 'SendMessage', 1, seconds, [['MessageToSend', message]]));
print('say → NOTIFY (HTTP in, commit, event out)', await eventLatency(200));

child.disconnect();
await new Promise((done) => child.once('exit', done));
rmSync(folder, { recursive: true });

function print(what: string, figures: object): void {
  process.stdout.write(`${JSON.stringify({ what, ...figures })}\n`);
}

/** Each connection sends the next request when it has the answer. */
async function load(
  _: string,
  action: string,
  connections: number,
  forSeconds: number,
  args: [string, string][],
  most = Infinity,
) {
  const body = writeActionRequest(serviceType, action, args);
  const request = Buffer.from(
    `POST /messaging/control HTTP/1.1\r\nHOST: ${base.host}\r\nSOAPACTION: "${serviceType}#${action}"\r\n` +
      `CONTENT-TYPE: text/xml; charset="utf-8"\r\nCONTENT-LENGTH: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
  const tookMs: number[] = [];
  let failed = 0;
  let asked = 0;
  const startedMs = performance.now();
  const untilMs = startedMs + forSeconds * 1000;
  await Promise.all(
    Array.from(
      { length: connections },
      () =>
        new Promise<void>((done) => {
          const socket = connect(Number(base.port), base.hostname).setNoDelay(true);
          let sentMs = 0;
          let received = '';
          const ask = () => {
            if (performance.now() >= untilMs || asked++ >= most) {
              socket.destroy();
              return done();
            }
            sentMs = performance.now();
            received = '';
            socket.write(request);
          };
          socket.on('connect', ask);
          socket.on('data', (chunk) => {
            received += chunk.toString('latin1');
            const head = received.indexOf('\r\n\r\n');
            const length = Number(/content-length: (\d+)/i.exec(received)?.[1] ?? 0);
            if (head < 0 || received.length < head + 4 + length) return;
            tookMs.push(performance.now() - sentMs);
            if (!received.startsWith('HTTP/1.1 200')) failed++;
            ask();
          });
        }),
    ),
  );
  const sorted = tookMs.toSorted((a, b) => a - b);
  return {
    perSecond: Math.round(sorted.length / ((performance.now() - startedMs) / 1000)),
    p50Ms: round(sorted[Math.floor(sorted.length * 0.5)] ?? 0),
    p99Ms: round(sorted[Math.floor(sorted.length * 0.99)] ?? 0),
    failed,
  };
}

async function eventLatency(times: number) {
  let arrived = (): void => undefined;
  const server = createServer((request, response) => {
    request.resume();
    request.on('end', () => {
      response.writeHead(200, { 'Content-Length': 0 }).end();
      arrived();
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  const next = () =>
    new Promise<void>((done) => {
      arrived = done;
    });
  const first = next();
  await fetch(new URL('/messaging/event', base), {
    method: 'SUBSCRIBE',
    headers: { CALLBACK: `<http://127.0.0.1:${port}/>`, NT: 'upnp:event' },
  });
  await first;
  const tookMs: number[] = [];
  for (let time = 0; time < times; time++) {
    const event = next();
    const startedMs = performance.now();
    const said = say(join(folder, 'phone'), '+390000001', 'Hello');
    await event;
    tookMs.push(performance.now() - startedMs);
    await said;
  }
  server.closeAllConnections();
  server.close();
  const sorted = tookMs.toSorted((a, b) => a - b);
  return { p50Ms: round(sorted[times / 2] ?? 0), p99Ms: round(sorted[Math.floor(times * 0.99)] ?? 0) };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
