// NewMessages and SessionUpdates events.
import { afterEach, beforeEach, expect, it } from 'vitest';
import { readDocument } from '../../../edge-agent/messaging/documents.ts';
import { context, nonna, type PhoneUnderTest, startPhone, startSubscriber } from './phone-under-test.ts';

let home: PhoneUnderTest;
let subscriber: Awaited<ReturnType<typeof startSubscriber>>;
beforeEach(async () => {
  home = await startPhone();
  subscriber = await startSubscriber();
});
afterEach(async () => {
  await home.stop();
  await subscriber.stop();
});

async function subscribe(): Promise<Response> {
  return fetch(new URL('/messaging/event', home.phone.location), {
    method: 'SUBSCRIBE',
    headers: { CALLBACK: subscriber.callback, NT: 'upnp:event', TIMEOUT: 'Second-1800' },
  });
}

it('sends both variables first, with SEQ 0 and the granted SID', async () => {
  const answer = await subscribe();
  const first = await subscriber.next(({ seq }) => seq === 0);
  expect(first.sid).toBe(answer.headers.get('sid'));
  expect([...first.variables.keys()]).toEqual(['NewMessages', 'SessionUpdates']);
  expect(readDocument('newMessages', first.variables.get('NewMessages') ?? '', context)).toEqual([]);
});

it('sends an event for each arrival', async () => {
  await subscribe();
  await subscriber.next(({ seq }) => seq === 0);
  for (const body of ['one', 'two', 'three']) {
    const messageId = await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body });
    const event = await subscriber.next(({ variables }) => variables.get('NewMessages')?.includes(messageId) ?? false);
    const news = readDocument('newMessages', event.variables.get('NewMessages') ?? '', context);
    expect(news.at(-1)).toMatchObject({ messageId, from: nonna });
  }
  expect(subscriber.events.map(({ seq }) => seq)).toEqual([0, 1, 2, 3]);
});

it('omits message bodies', async () => {
  await subscribe();
  await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'a secret' });
  const event = await subscriber.next(({ variables }) => variables.get('NewMessages')?.includes('m-1') ?? false);
  expect(event.variables.get('NewMessages')).not.toContain('secret');
});

it('sends an event when a message moves from Outgoing to Sent', async () => {
  await subscribe();
  await subscriber.next(({ seq }) => seq === 0);
  await home.control.send({});
  await subscriber.next(({ seq }) => seq === 1);
  expect(await home.control.messages()).toMatchObject([{ folder: 'Sent' }]);
});

it('sends events for session changes', async () => {
  await subscribe();
  const sessionId = await home.line.events.offered({ sessionClass: 'Chat', initiator: nonna });
  await home.control.ask('AcceptSession', { SessionID: sessionId });
  const event = await subscriber.next(
    ({ variables }) => variables.get('SessionUpdates')?.includes('accepted') ?? false,
  );
  const updates = readDocument('sessionUpdates', event.variables.get('SessionUpdates') ?? '', context);
  expect(updates.at(-1)).toMatchObject({ sessionId, status: 'Running', change: 'accepted' });
});

it('lists only the newest of many, so that an event stays small', async () => {
  const admission = Array.from({ length: 100 }, (_, index) =>
    home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: `${index}` }),
  );
  const ids = await Promise.all(admission);
  await subscribe();
  const first = await subscriber.next(({ seq }) => seq === 0);
  const news = readDocument('newMessages', first.variables.get('NewMessages') ?? '', context);
  expect(news.map(({ messageId }) => messageId)).toEqual(ids.slice(-32));
  const all = (await home.control.ask('GetNewMessages')).get('NewMessages') ?? '';
  expect(readDocument('newMessages', all, context)).toHaveLength(100);
});
