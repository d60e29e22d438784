// The agent with the real software phone, discovered by SSDP on loopback, over real sockets.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Agent } from '../../edge-agent/agent.ts';
import { DemonstrationLine } from '../../edge-agent/phone/lines/demonstration.ts';
import { SoftwarePhone } from '../../edge-agent/phone/phone.ts';
import { say } from '../../edge-agent/phone/say.ts';
import { ScriptedCloud } from '../fixtures/tunnel/scripted-cloud.ts';
import { quickBackOff } from './house.ts';

let folder: string;
let cloud: ScriptedCloud;
let phone: SoftwarePhone;
let agent: Agent;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'homeline-phone-'));
  const ssdpPort = 20_000 + Math.floor(Math.random() * 20_000);
  const report = () => {};
  cloud = new ScriptedCloud();
  await cloud.start();
  phone = new SoftwarePhone({
    interfaces: ['lo'],
    port: 0,
    dataFolder: join(folder, 'phone'),
    name: 'Kitchen',
    number: '+390119999',
    ssdpPort,
    line: new DemonstrationLine(),
    report,
  });
  agent = new Agent({
    cloud: cloud.url,
    token: cloud.token,
    interfaces: ['lo'],
    trust: [],
    dataFolder: folder,
    ssdpPort,
    backOff: quickBackOff,
    report,
  });
  await phone.start();
  await agent.start();
  await cloud.until(() => cloud.frames.some((frame) => frame.type === 'phones' && frame.phones[0]?.capabilities));
});
afterEach(async () => {
  await agent.stop();
  await phone.stop();
  await cloud.stop();
  rmSync(folder, { recursive: true, force: true });
});

it('discovers the phone and delivers its messages', async () => {
  const { udn } = phone;
  await say(join(folder, 'phone'), '+390110001', 'Dinner at 8?');
  const put = await cloud.until(() => cloud.events.find((event) => event.type === 'message.put'));
  expect(put).toMatchObject({ udn, message: { body: 'Dinner at 8?', folder: 'Received', status: 'Unread' } });
  const list = await cloud.call(udn, 'SearchMessages', {
    MessageClass: 'ANY',
    MessageFolder: 'ANY',
    MessageStatus: 'Unread',
    SessionID: '',
  });
  expect(list).toMatchObject({ arguments: { MessageList: [{ body: 'Dinner at 8?' }] } });
});

it('creates a session and reports it under its stable identifier', async () => {
  const { udn } = phone;
  const made = await cloud.call(
    udn,
    'CreateSession',
    {
      SessionClass: 'Chat',
      SessionRecipients: [{ address: 'xmpp:ada@example.org' }],
      Subject: 'Lunch',
      SupportedContentType: 'text/plain',
    },
    { key: 'a-key-for-a-session' },
  );
  expect(made).toMatchObject({ type: 'result', made: expect.stringMatching(/^s_/) });
  const id = made.type === 'result' ? made.made : '';
  const put = await cloud.until(() => cloud.events.find((event) => event.type === 'session.put' && event.id === id));
  expect(put).toMatchObject({ session: { sessionClass: 'Chat', subject: 'Lunch' } });
  const sessionId = put.type === 'session.put' ? put.session.sessionId : '';
  expect(await cloud.call(udn, 'CloseSession', { SessionID: sessionId })).toMatchObject({ type: 'result' });
  await cloud.until(() =>
    cloud.events.some((event) => event.type === 'session.put' && event.id === id && event.session.status === 'Closed'),
  );
});

it('reports the phone offline on its goodbye', async () => {
  await phone.stop();
  await cloud.until(() => cloud.frames.some((frame) => frame.type === 'phones' && frame.phones[0]?.online === false));
});
