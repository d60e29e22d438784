// The demonstration line: correspondents answer, offer chats and files.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DemonstrationLine } from '../../../edge-agent/phone/lines/demonstration.ts';
import { nonna, type PhoneUnderTest, startPhone, until } from './phone-under-test.ts';

let home: PhoneUnderTest;
beforeEach(async () => {
  home = await startPhone({ line: new DemonstrationLine({ answerAfterMs: 1 }) });
});
afterEach(() => home.stop());

const ada = { address: 'xmpp:ada@chat.example', displayName: 'Ada' };
const received = () => home.control.messages({ MessageFolder: 'Received' });

it('has a Nonna who answers', async () => {
  await home.control.send({ to: [nonna], body: 'Dinner at 8?' });
  const [answer] = await until(async () => {
    const messages = await received();
    return messages.length > 0 && messages;
  });
  expect(answer).toMatchObject({
    from: nonna,
    messageClass: 'SMS',
    status: 'Unread',
    body: expect.stringContaining('At eight'),
  });
});

it('has a school that answers mail under its subject', async () => {
  await home.control.send({ messageClass: 'e-Mail', to: [{ address: 'office@school.example' }], subject: 'Ill today' });
  await until(async () => (await received())[0]?.subject === 'Re: Ill today');
});

it('offers a chat on request and answers in it until it closes', async () => {
  await home.control.send({ messageClass: 'Instant Message', to: [ada], body: 'Shall we chat?' });
  const offered = await until(async () => (await home.control.sessions({ SessionStatus: 'Pending' }))[0]);
  expect(offered).toMatchObject({ sessionClass: 'Chat', initiator: ada });
  await home.control.ask('AcceptSession', { SessionID: offered.sessionId });
  await until(async () => (await received()).some(({ sessionId }) => sessionId === offered.sessionId));
  await home.control.send({ messageClass: 'Instant Message', to: [], sessionId: offered.sessionId, body: 'It rains' });
  await until(async () => (await received()).some(({ body }) => body.includes('It rains')));
  await home.control.ask('CloseSession', { SessionID: offered.sessionId });
  expect(await home.control.messages({ SessionID: offered.sessionId, MessageFolder: 'Received' })).toEqual([]);
});

it('joins when invited and offers a downloadable photo', async () => {
  const created = await home.control.ask('CreateSession', { SessionClass: 'Mixed', SessionRecipients: [ada] });
  const sessionId = created.get('SessionID') ?? '';
  await until(async () => (await home.control.sessions({ SessionID: sessionId }))[0]?.status === 'Running');
  await home.control.send({ messageClass: 'Instant Message', to: [], sessionId, body: 'A photo, please' });
  const offered = await until(async () => (await home.control.files(sessionId))[0]);
  await home.control.ask('StartFileTransfer', { FileInfoList: [offered] });
  const done = await until(async () =>
    (await home.control.files(sessionId)).find(({ status }) => status === 'completed'),
  );
  const photo = Buffer.from(await (await fetch(done.url)).arrayBuffer());
  expect(photo.subarray(1, 4).toString()).toBe('PNG');
});

it('refuses invalid numbers', async () => {
  for (const address of ['', ' ', 'Nonna', 'a@b.c']) {
    await expect(home.control.send({ to: [{ address }] })).rejects.toMatchObject({ code: 706 });
  }
  for (const address of ['+390110009', '0039 011 000 9', '*#06#', '12345'])
    await home.control.send({ to: [{ address }] });
});
