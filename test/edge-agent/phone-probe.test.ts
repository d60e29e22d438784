// The probe of the path to the cloud, and resubscription after a phone was away.
import { afterEach, expect, it } from 'vitest';
import { sampleMessage } from '../fixtures/phone/sample-message.ts';
import { House } from './house.ts';

let house: House;

afterEach(async () => {
  await house.stop();
});

const proofs = () => house.cloud.events.filter((event) => event.type === 'phone.answered');

it('calls each phone when nothing was sent for a while, and reports that it answered', async () => {
  house = new House({}, { probeMs: 100 });
  // A refusal is an answer too: this phone does not know the action.
  await house.start();
  await house.cloud.until(() => proofs().length >= 2);
  expect(proofs()[0]).toMatchObject({ udn: house.phone.udn, epoch: 0 });
  expect(house.phone.callsOf('GetTelephonyIdentity').length).toBeGreaterThanOrEqual(2);
});

it('reports no answer but an offline phone when it does not answer', async () => {
  house = new House({}, { probeMs: 100 });
  await house.start();
  await house.inStep();
  house.phone.react = () => 'hang-up';
  await house.cloud.until(() =>
    house.cloud.frames.some((frame) => frame.type === 'phones' && frame.phones[0]?.online === false),
  );
});

it('subscribes again to a phone that was away, because it may have been off', async () => {
  house = new House();
  await house.start();
  await house.inStep();
  house.phone.forgetSubscribers();
  house.phone.react = () => 'hang-up';
  const call = house.cloud.call(house.phone.udn, 'GetNewMessages', {});
  await house.cloud.until(() => house.lines.some((line) => line.includes('does not answer')));
  await call;
  house.phone.react = () => undefined;
  await house.cloud.until(() => house.phone.subscribers === 1);
});

it('subscribes again when a sync finds a change without an event', async () => {
  house = new House({}, { compareMs: 300 });
  await house.start();
  await house.inStep();
  house.phone.forgetSubscribers();
  house.phone.receive('untold');
  await house.cloud.until(() => house.phone.subscribers === 1);
  const told = house.phone.receive('told');
  await house.phone.notifyNewMessages(told);
  await house.cloud.until(() =>
    house.cloud.events.some((event) => event.type === 'message.put' && event.message.body === 'told'),
  );
});

it('probes the subscription of a phone whose connection broke, because it may have been off briefly', async () => {
  house = new House();
  await house.start();
  await house.inStep();
  house.phone.forgetSubscribers();
  house.phone.react = ({ action }) => (action === 'GetNewMessages' ? 'hang-up' : undefined);
  await house.cloud.call(house.phone.udn, 'GetNewMessages', {});
  await house.cloud.until(() => house.phone.subscribers === 1);
  expect(house.lines.some((line) => line.includes('does not answer'))).toBe(false);
});

it('probes the subscription when a phone accepts a send again, and finds missed messages', async () => {
  house = new House();
  await house.start();
  await house.inStep();
  const send = (key: string) =>
    house.cloud.call(house.phone.udn, 'SendMessage', { MessageToSend: sampleMessage() }, { key });
  house.phone.react = ({ action }) => (action === 'SendMessage' ? 603 : undefined);
  expect(await send('first')).toMatchObject({ upnpCode: 603 });
  house.phone.forgetSubscribers();
  house.phone.receive('untold');
  house.phone.react = ({ action }) => (action === 'SendMessage' ? { MessageID: 'm-1' } : undefined);
  await send('second');
  await house.cloud.until(() => house.phone.subscribers === 1);
  await house.cloud.until(() =>
    house.cloud.events.some((event) => event.type === 'message.put' && event.message.body === 'untold'),
  );
});

it('probes it after the agent itself was suspended, and finds missed messages', async () => {
  house = new House();
  await house.start();
  await house.inStep();
  house.phone.forgetSubscribers();
  house.phone.receive('untold');
  // Block the event loop, as SIGSTOP or a suspended machine does.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
  await house.cloud.until(() => house.phone.subscribers === 1);
  await house.cloud.until(() =>
    house.cloud.events.some((event) => event.type === 'message.put' && event.message.body === 'untold'),
  );
});
