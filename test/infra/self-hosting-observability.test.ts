// What an operator sees: changing metrics, one request id in both logs, and no content of messages.
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { lineLog } from '../../cloud/hosts/node-log.ts';
import { type Answer, Household } from '../end-to-end/household.ts';

type Line = Record<string, unknown> & { event: string };

const written: string[] = [];
let household: Household;
let agentToken: string;
let phoneId: string;
let refused: Answer;
let session: Answer;
let offline: Answer;
let before: Map<string, number>;
let after: Map<string, number>;

const lines = (): Line[] => written.map((line) => JSON.parse(line));
const linesOf = (answer: Answer) => lines().filter((line) => line.requestId === answer.headers.get('x-request-id'));
const message = (more: object) => ({ messageClass: 'SMS', to: ['+390110002'], body: 'Parola segreta', ...more });

/** The samples of `/metrics` by name and labels. */
async function scrape(): Promise<Map<string, number>> {
  const answer = await fetch(`${household.url}/metrics`);
  const samples = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(samples.map((line) => [line.replace(/ [^ ]+$/, ''), Number(line.split(' ').at(-1))]));
}

const moved = (sample: string) => (after.get(sample) ?? 0) - (before.get(sample) ?? 0);

beforeAll(async () => {
  household = await Household.open({ log: lineLog('info', (line) => written.push(line)) });
  const { line } = await household.addPhone('Kitchen', { number: '+390119998' });
  before = await scrape();
  await household.startAgent();
  phoneId = (await household.phoneOnline('Kitchen')).id;
  agentToken = (await household.api('POST', '/homes/home/agents', { name: 'spare' })).body.token;

  const events = await household.events();
  const arrived = await line.receive('+390110001', 'Il PIN segreto', { subject: 'Oggetto riservato' });
  const { data } = await events.next('message.received', (event) => event.data.messageId === arrived);
  await household.home('GET', '/messages?from=%2B390110001&q=PIN');
  await household.home('POST', `/messages/${data.id}/read`);
  await household.home('POST', '/messages', message({}));
  refused = await household.api('POST', '/homes/home/messages', message({ to: ['nobody'] }));
  session = await household.api('POST', '/homes/home/sessions', {
    sessionClass: 'Chat',
    recipients: [{ address: 'nonna@example.org' }],
    subject: 'Oggetto riservato',
    contentTypes: ['text/plain'],
  });
  await household.api('POST', '/homes/home/messages', { to: '+390110002', body: 'Parola segreta' });
  await fetch(`${household.url}/v1/me`, { headers: { authorization: 'Bearer hl_mistyped-390110001' } });
  await fetch(`${household.url}/v1/homes/home/messages/+390110001`);
  // The cloud collects its metrics at most once a second, so an older answer may be repeated until then.
  const strangers = 'homeline_request_seconds_count{method="GET",route="/v1/me",status="401"}';
  await vi.waitFor(
    async () => {
      after = await scrape();
      expect(after.get(strangers)).toBe(1);
    },
    { timeout: 10_000 },
  );
  await household.stopAgent();
  offline = await household.api('POST', '/homes/home/messages', message({ ifOffline: 'fail' }));
}, 60_000);
afterAll(() => household.close());

describe('a request that fails at the phone', () => {
  it('has one name in its answer, in the lines of the cloud and in those of the agent', () => {
    const requestId = refused.headers.get('x-request-id');
    expect(requestId).toMatch(/^r_[0-9a-f]{32}$/);
    expect([refused.status, refused.body.requestId]).toEqual([422, requestId]);
    expect(linesOf(refused)).toEqual([
      expect.objectContaining({
        level: 'info',
        event: 'call',
        home: 'home',
        phone: phoneId,
        action: 'SendMessage',
        outcome: 'phone-refused',
        upnpCode: 706,
        durationMs: expect.any(Number),
      }),
      expect.objectContaining({ event: 'request', method: 'POST', route: '/v1/homes/:home/messages', status: 422 }),
    ]);
    expect(household.agentLines).toContain(`SendMessage failed: phone-refused 706, request ${requestId}.`);
  });

  it('names every call that a request makes, however deep', () => {
    const calls = linesOf(session).filter((line) => line.event === 'call');
    expect([session.status, ...calls.map((line) => line.action)]).toEqual([201, 'CreateSession', 'GetSessions']);
  });

  it('needs no call to be found in the log', () => {
    expect(linesOf(offline)).toEqual([expect.objectContaining({ event: 'request', status: 503 })]);
  });
});

describe('the logs of a whole household', () => {
  it('are JSON, a line an object', () => {
    expect(lines().length).toBeGreaterThan(10);
    for (const line of lines()) {
      expect(line).toMatchObject({ time: expect.any(String), level: expect.any(String), event: expect.any(String) });
    }
  });

  it('hold no number, no word of a message and no token', () => {
    // Identifiers are random and may contain any digits.
    const said = [...written, ...household.agentLines].join('\n').replace(/\b[rps]_\w+/g, '');
    const secrets = [
      ...['39011', 'nonna', 'nobody', 'PIN', 'Parola', 'segret', 'riservato'],
      ...['hl_', household.ownerToken, agentToken],
    ];
    for (const secret of secrets) expect(said).not.toContain(secret);
  });

  it('lose numbers, addresses and tokens that stand in an error’s words, and nothing else', () => {
    const out: string[] = [];
    const home = 'r_0123456789abcdef0123456789abcdef';
    lineLog('info', (line) => out.push(line)).error('x', {
      error:
        'to +39 011 0001 or 0390110001, nonna@example.org with hl_abc-DEF_123 at 127.0.0.1:8787, 2026-11-22T10:00Z',
      home,
      durationMs: 12345678,
    });
    expect(JSON.parse(out[0] ?? '')).toMatchObject({
      error: 'to … or …, … with … at 127.0.0.1:8787, 2026-11-22T10:00Z',
      home,
      durationMs: 12345678,
    });
  });
});

describe('/metrics', () => {
  it.each([
    'homeline_request_seconds_count{method="POST",route="/v1/homes/:home/messages",status="201"}',
    'homeline_request_seconds_count{method="POST",route="/v1/homes/:home/messages",status="422"}',
    'homeline_call_seconds_count{action="SendMessage",outcome="ok"}',
    'homeline_call_seconds_count{action="SendMessage",outcome="phone-refused"}',
    'homeline_call_seconds_count{action="ReadMessage",outcome="ok"}',
    'homeline_call_seconds_bucket{le="30",action="ReadMessage",outcome="ok"}',
    'homeline_events_total{type="message.received"}',
    'homeline_tunnels',
    'homeline_watchers',
  ])('%s moves by one', (sample) => {
    expect(moved(sample)).toBe(1);
  });

  it('counts the requests of strangers too', () => {
    expect(moved('homeline_request_seconds_count{method="GET",route="/v1/me",status="401"}')).toBe(1);
  });

  it('tells what the process needs', () => {
    for (const name of ['process_resident_memory_bytes', 'process_cpu_seconds_total', 'nodejs_eventloop_lag_seconds']) {
      expect(after.get(name), name).toBeGreaterThanOrEqual(0);
    }
  });

  it('has labels from lists of ours alone: nothing that a stranger writes makes a new one', async () => {
    await Promise.all(
      ['/v1/homes/stranger-1/messages', '/stranger-2', '/v1/tunnel/stranger-3', '/docs/errors/stranger-4'].map((path) =>
        fetch(household.url + path, { headers: { authorization: 'Bearer stranger-5' } }),
      ),
    );
    const names = [...(await scrape()).keys()].join('\n');
    expect(names).not.toContain('stranger');
    expect(names).not.toContain('39011');
  });
});
