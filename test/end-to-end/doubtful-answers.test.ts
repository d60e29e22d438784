// A phone that sends a message and answers 501: the cloud keeps one message, and it is sent. On both hosts and stores.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Message } from '../../protocol/model.ts';
import { ScriptedPhone } from '../fixtures/phone/scripted-phone.ts';
import { Household } from './household.ts';

const scripted = new ScriptedPhone();
let household: Household;
/** What the phone was given to send last. */
let given = '';

beforeAll(async () => {
  household = await Household.open();
  await scripted.start();
  await household.startAgent({ phoneUrl: scripted.location, trust: [scripted.udn] });
  await household.phoneOnline('Scripted phone');
  const events = await household.events();
  await scripted.notifyNewMessages(scripted.receive('the first'));
  await events.next('message.received', (event) => event.data.body === 'the first');
});
afterAll(async () => {
  await household.close();
  await scripted.stop();
});

async function answering501(act: () => void, body: string) {
  scripted.react = (asked) => {
    if (asked.action !== 'SendMessage') return undefined;
    given = asked.given.get('MessageToSend') ?? '';
    act();
    return [501, 'the answer is lost'];
  };
  const send = { messageClass: 'SMS', to: ['+390110001'], body };
  return household.api('POST', '/homes/home/messages', send, { 'idempotency-key': body });
}

async function messagesOf(body: string): Promise<Message[]> {
  const { items }: { items: Message[] } = await household.home('GET', '/messages?limit=100');
  return items.filter((message) => message.body === body);
}

it('is one message, sent, where the phone lists it', async () => {
  const answer = await answering501(() => scripted.take(given), 'listed at once');
  expect(answer).toMatchObject({ status: 201, body: { state: 'sent', messageId: expect.any(String) } });
  const events = await household.events();
  await scripted.notifyNewMessages(scripted.receive('after it'));
  await events.next('message.received', (event) => event.data.body === 'after it');
  expect(await messagesOf('listed at once')).toMatchObject([{ id: answer.body.id, state: 'sent' }]);
  expect(scripted.callsOf('SendMessage')).toHaveLength(1);
});

it('is one message, first failed and then sent, where the phone lists it later', async () => {
  const events = await household.events();
  const answer = await answering501(() => {}, 'listed later');
  expect(answer).toMatchObject({ status: 422, body: { code: 'phone-refused', upnpCode: 501 } });
  expect(await messagesOf('listed later')).toMatchObject([{ id: answer.body.resource, state: 'failed' }]);
  await scripted.notifyNewMessages(scripted.take(given));
  await events.next('send.updated', (event) => event.data.body === 'listed later' && event.data.state === 'sent');
  const [sent, ...more] = await messagesOf('listed later');
  expect(more).toEqual([]);
  expect(sent).toMatchObject({ id: answer.body.resource, state: 'sent', folder: 'Sent', onPhone: true });
  expect(sent).not.toHaveProperty('stateReason');
});
