// GUPnP as control point of the software phone: discovery, description, introspection, control and events.
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDocument, writeDocument } from '../../edge-agent/messaging/documents.ts';
import { type ActionName, actionNames, actions } from '../../protocol/actions.ts';
import {
  blankMessage,
  context,
  nonna,
  type PhoneUnderTest,
  startPhone,
  until,
} from '../edge-agent/phone/phone-under-test.ts';

const python = '/usr/bin/python3';
const absent = whyAbsent();
if (absent !== undefined) process.stderr.write(`skipped: GUPnP's Python bindings are not here (${absent})\n`);

interface Told {
  found?: string;
  location?: string;
  actions?: string[];
  event?: string;
  value?: string;
  answer?: Record<string, string>;
  fault?: number;
  words?: string;
}

// In CI a missing peer is a failure and not a reason to skip.
describe.skipIf(absent !== undefined && process.env.CI === undefined)('a GUPnP control point', () => {
  let home: PhoneUnderTest;
  let program: ChildProcessWithoutNullStreams;
  const told: Told[] = [];
  const complaints: string[] = [];

  beforeAll(async () => {
    home = await startPhone({ ssdpPort: 1900 });
    const path = resolve(import.meta.dirname, 'gupnp_control_point.py');
    program = spawn(python, [path, 'lo', home.phone.udn]);
    createInterface(program.stdout).on('line', (line) => told.push(JSON.parse(line) as Told));
    program.stderr.on('data', (chunk) => {
      if (String(chunk).includes('Traceback')) complaints.push(String(chunk));
    });
    await until(() => told.some(({ found }) => found !== undefined) || program.exitCode !== null);
    expect(complaints).toEqual([]);
  });
  afterAll(async () => {
    const ended = new Promise((done) => program.once('exit', done));
    program.stdin.end();
    await ended;
    await home.stop();
  });

  async function tell(what: object, wanted: (told: Told) => boolean): Promise<Told> {
    const before = told.length;
    program.stdin.write(`${JSON.stringify(what)}\n`);
    return until(() => {
      if (complaints.length > 0) throw new Error(complaints.join(''));
      return told.slice(before).find(wanted);
    });
  }

  function call(action: ActionName, given: Record<string, string> = {}): Promise<Told> {
    const table = actions[action];
    const args = Object.keys(table.in).map((name) => [name, given[name] ?? '']);
    return tell(
      { action, in: args, out: Object.keys(table.out) },
      ({ answer, fault }) => (answer ?? fault) !== undefined,
    );
  }

  it('finds the phone and its service', () => {
    const found = told.find((one) => one.found !== undefined);
    expect(found).toEqual({ found: 'urn:schemas-upnp-org:service:Messaging:2', location: home.phone.location });
  });

  it('reads the service description', async () => {
    const { actions: names } = await tell({ introspect: true }, (one) => one.actions !== undefined);
    expect(new Set(names)).toEqual(new Set(actionNames));
  });

  it('receives events', async () => {
    await until(() => told.some(({ event }) => event === 'NewMessages'));
    const messageId = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Dinner at 8?' });
    const event = await until(() =>
      told.find(({ event: name, value }) => name === 'NewMessages' && value?.includes(messageId)),
    );
    expect(readDocument('newMessages', event.value ?? '', context).at(-1)).toMatchObject({ messageId, from: nonna });
  });

  it('lists, reads and sends messages', async () => {
    const listed = await call('SearchMessages', {
      MessageClass: 'ANY',
      MessageFolder: 'Received',
      MessageStatus: 'ANY',
    });
    const [message] = readDocument('messageList', listed.answer?.MessageList ?? '', context);
    expect(message).toMatchObject({ body: 'Dinner at 8?', status: 'Unread' });
    const read = await call('ReadMessage', { MessageID: message?.messageId ?? '' });
    expect(readDocument('message', read.answer?.MessageRequested ?? '', context)).toMatchObject({ status: 'Read' });
    const body = 'Sì & <grazie> 👵';
    const sent = await call('SendMessage', { MessageToSend: writeDocument('message', { ...blankMessage, body }) });
    expect(sent.answer?.MessageID).toMatch(/^m-\d+$/);
    await until(() => home.line.sent.length === 1);
    expect(home.line.sent[0]?.body).toBe(body);
  });

  it('is told the number of an error', async () => {
    expect(await call('ReadMessage', { MessageID: 'm-999' })).toMatchObject({ fault: 701 });
    expect(await call('SearchMessages', { MessageClass: 'Pigeon' })).toMatchObject({ fault: 601 });
  });

  it('is answered to every action without arguments', async () => {
    for (const action of [
      'GetTelephonyIdentity',
      'GetMessagingCapabilities',
      'GetNewMessages',
      'GetSessionUpdates',
    ] as const) {
      expect((await call(action)).answer).toBeDefined();
    }
    expect((await call('GetSessions', { SessionClass: 'ANY', SessionStatus: 'ANY' })).answer).toBeDefined();
  });
});

function whyAbsent(): string | undefined {
  try {
    execFileSync(python, ['-c', 'import gi; gi.require_version("GUPnP", "1.6"); from gi.repository import GUPnP'], {
      stdio: 'pipe',
    });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0] : 'no reason given';
  }
}
