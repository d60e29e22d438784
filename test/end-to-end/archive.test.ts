// A phone with faulty lists, with the real agent and cloud: stored messages stay, and deleted ones are gone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Agent } from '../../edge-agent/agent.ts';
import { writeDocument } from '../../edge-agent/messaging/documents.ts';
import type { Message } from '../../protocol/model.ts';
import { patiently, RunningCloud } from '../cloud/hosts/running-cloud.ts';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';

const messages = '/v1/homes/home/messages';
let cloud: RunningCloud;
let phone: ScriptedPhone;
let agent: Agent;
let folder: string;

beforeEach(async () => {
  cloud = new RunningCloud();
  await cloud.start();
  phone = new ScriptedPhone();
  await phone.start();
  folder = mkdtempSync(join(tmpdir(), 'homeline-archive-'));
  agent = new Agent({
    cloud: `${cloud.url.replace(/^http/, 'ws')}/v1/tunnel`,
    token: await cloud.host.issueAgentToken('agent'),
    interfaces: ['lo'],
    phoneUrl: phone.location,
    trust: [phone.udn],
    dataFolder: folder,
    ssdpPort: 20_000 + Math.floor(Math.random() * 20_000),
    compareMs: 100,
    report: () => {},
  });
});
afterEach(async () => {
  await agent.stop();
  await phone.stop();
  await cloud.stop();
  rmSync(folder, { recursive: true });
});

/** A list that is truncated in the sender of its last message, as a full buffer of a phone truncates it. */
const cut = (count: number) => () => {
  const whole = writeDocument('messageList', phone.messages.slice(0, count));
  return whole.slice(0, whole.lastIndexOf('</address></sender>') - 4);
};

const stored = async () => (await cloud.get(`${messages}?limit=200`)).body.items as Message[];

/** Waits until the phone has answered two more lists, so that the agent has evaluated the first one. */
async function listed(): Promise<void> {
  const before = phone.callsOf('SearchMessages').length;
  await expect.poll(() => phone.callsOf('SearchMessages').length, patiently).toBeGreaterThanOrEqual(before + 3);
}

describe('five messages of a phone', () => {
  const empty = '';
  const blank = ' \n ';
  const part = (count: number) => () => writeDocument('messageList', phone.messages.slice(0, count));

  it.each([
    ['an empty list', () => writeDocument('messageList', []), 5],
    ['an empty argument', () => empty, 5],
    ['a blank argument', () => blank, 5],
    ['its first page only', part(2), 5],
    ['a list that is cut in its third message', cut(3), 5],
    ['a list without two of them', part(3), 3],
  ])('stay five under the same ids when it answers %s once', async (_, hiccup, onPhone) => {
    for (let n = 0; n < 5; n++) phone.receive(`Text ${n}`, { status: 'Read' });
    await agent.start();
    await expect.poll(async () => (await stored()).length, patiently).toBe(5);
    const before = await stored();
    phone.react = ({ action }) => (action === 'SearchMessages' ? { MessageList: hiccup() } : undefined);
    await listed();
    const during = await stored();
    expect(during.map(({ id, body }) => [id, body])).toEqual(before.map(({ id, body }) => [id, body]));
    await expect.poll(async () => (await stored()).filter((each) => each.onPhone).length, patiently).toBe(onPhone);
    phone.react = () => undefined;
    await listed();
    await expect.poll(stored, patiently).toEqual(before);
  });
});

describe('a phone whose identifiers start again', () => {
  it('has its new messages beside the old ones, which are then read and deleted here alone', async () => {
    phone.receive('The old key', { messageId: '1', status: 'Read' });
    phone.receive('The old door', { messageId: '2', from: { address: '+390110002' } });
    phone.receive('The old cat', { messageId: '3', from: { address: '+390110002' } });
    await agent.start();
    await expect.poll(async () => (await stored()).length, patiently).toBe(3);
    const old = await stored();
    phone.messages = [];
    for (const n of [1, 2, 3]) {
      const time = `2026-11-27T09:0${n}:00.000Z`;
      phone.receive(`A new one, ${n}`, { messageId: `${n}`, from: { address: `+39011100${n}` }, time });
    }
    await expect
      .poll(async () => (await stored()).map(({ onPhone }) => onPhone), patiently)
      .toEqual([...[true, true, true], ...[false, false, false]]);
    expect((await stored()).slice(3)).toEqual(old.map((each) => ({ ...each, onPhone: false })));
    const fresh = (await stored()).slice(0, 3);
    const [cat, door, key] = old.map(({ id }) => `${messages}/${id}`);
    expect((await cloud.post(`${door}/read`)).body).toMatchObject({ body: 'The old door', status: 'Read' });
    for (const path of [cat, key]) expect((await cloud.request('DELETE', path ?? '')).status).toBe(204);
    await listed();
    expect((await stored()).map(({ body }) => body)).toEqual([...fresh.map(({ body }) => body), 'The old door']);
    expect((await stored()).slice(0, 3)).toEqual(fresh);
    expect(phone.messages.map(({ status }) => status)).toEqual(['Unread', 'Unread', 'Unread']);
    expect(phone.calls.filter(({ action }) => /^(Read|Delete)Message$/.test(action))).toEqual([]);
  });
});

describe('messages whose phone corrects them', () => {
  it('stay the same, and follow it', async () => {
    const [dinner, call, photo] = [
      phone.receive('Dinner?', { time: '2026-11-20T18:30:12.345Z' }),
      phone.receive('Call', { from: { address: '00390110002' }, time: '2026-11-20T18:31:00.000Z' }),
      phone.receive('Photo', { from: { address: '+390110003' }, time: '2026-11-20T18:32:00.000Z' }),
    ];
    await agent.start();
    await expect.poll(async () => (await stored()).length, patiently).toBe(3);
    const before = await stored();
    // A daylight saving offset and rounded seconds; another spelling of the address, or a name; another class.
    dinner.time = '2026-11-20T17:30:12.000Z';
    dinner.from = { address: '+390110001', displayName: 'Ada' };
    call.time = '2026-11-20T17:31:00.000Z';
    call.from = { address: '+390110002' };
    photo.messageClass = 'MMS';
    const seen = async () =>
      (await stored()).map(({ id, ...each }) => [id, each.body, each.time, each.from, each.messageClass]);
    await expect.poll(seen, patiently).toEqual([
      [before[0]?.id, 'Photo', '2026-11-20T18:32:00.000Z', { address: '+390110003' }, 'MMS'],
      [before[1]?.id, 'Call', '2026-11-20T17:31:00.000Z', { address: '+390110002' }, 'SMS'],
      [before[2]?.id, 'Dinner?', '2026-11-20T17:30:12.000Z', { address: '+390110001', displayName: 'Ada' }, 'SMS'],
    ]);
  });
});

describe('a sent message that was deleted', () => {
  it.each([
    ['from the folder Deleted of its phone', true],
    ['after the agent lost its memory', false],
  ])('does not come back %s', async (_, isBinned) => {
    await agent.start();
    await cloud.phone();
    phone.react = ({ action, given }) => {
      if (action !== 'DeleteMessage') return undefined;
      for (const each of phone.messages) if (each.messageId === given.get('MessageID')) each.folder = 'Deleted';
      return {};
    };
    const draft = { messageClass: 'SMS', to: ['+390110001'], body: 'regretted' };
    const sent = await cloud.post(messages, draft);
    expect(sent.status).toBe(201);
    await listed();
    expect((await cloud.request('DELETE', `${messages}/${sent.body.id}`)).status).toBe(204);
    if (!isBinned) {
      await agent.stop();
      rmSync(folder, { recursive: true });
      await agent.start();
    }
    await listed();
    phone.receive('a later one');
    await expect.poll(async () => (await stored()).map(({ body }) => body), patiently).toEqual(['a later one']);
  });
});
