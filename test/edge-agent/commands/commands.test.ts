// Commands directly: each call gets exactly one frame, whatever the phone, the clock and the cloud do.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Commands } from '../../../edge-agent/commands/commands.ts';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { UpnpError } from '../../../edge-agent/upnp/error.ts';
import type { CloudFrame, EdgeFrame, FrameOf } from '../../../protocol/frames.ts';
import { limits } from '../../../protocol/limits.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';
import { refusal, StubPhone } from './stub-phone.ts';

type CallFrame = FrameOf<CloudFrame, 'call'>;

const key = 'm_01KAPQ3Z5N0123456789ABCDEF';
const about = 'm_01KAPQ3Z5N0123456789ABCDEH';
const message = sampleMessage({ folder: 'Outgoing', to: [{ address: '+390110001' }], body: 'On my way' });

let phone: StubPhone;
let commands: Commands;
let frames: EdgeFrame[];
let lines: string[];
let approved: boolean;
beforeEach(() => {
  phone = new StubPhone();
  phone.compared();
  frames = [];
  lines = [];
  approved = true;
  commands = new Commands({
    journal: phone.journal,
    phoneOf: (udn) => (udn === phone.udn ? phone : undefined),
    isApproved: () => approved,
    send: (frame) => {
      frames.push(frame);
      return true;
    },
    report: (line) => lines.push(line),
  });
});
afterEach(() => phone.close());

const frame = (action: string, given: Record<string, unknown>, more: Partial<CallFrame> = {}): CallFrame => ({
  type: 'call',
  id: `c${frames.length + 1}`,
  udn: phone.udn,
  action,
  form: 'text',
  arguments: given,
  deadlineMs: 10_000,
  ...more,
});
const textMessage = { MessageToSend: writeDocument('message', message) };
const sending = (more: Partial<CallFrame> = {}) => frame('SendMessage', textMessage, { key, ...more });
async function call(asked: CallFrame): Promise<EdgeFrame> {
  const before = frames.length;
  await commands.handle(asked);
  expect(frames.length).toBe(before + 1);
  return frames.at(-1) ?? expect.fail('no frame');
}
/** A phone that answers when it is told to. */
function slowPhone() {
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  phone.answer = async () => {
    begin();
    await released;
    return { TelephonyIdentity: '<x/>' };
  };
  return { begun, release };
}

describe('a call that reaches no phone fails with', () => {
  it.each<[string, () => CallFrame]>([
    ['invalid-request', () => frame('Teleport', {})],
    ['invalid-request', () => frame('DeleteMessage', { MessageID: 'x', Extra: '' })],
    ['invalid-request', () => frame('DeleteMessage', {}, { form: 'model' })],
    ['phone-offline', () => frame('GetNewMessages', {}, { udn: 'uuid:other' })],
  ])('%s', async (code, asked) => {
    expect(await call(asked())).toMatchObject({ type: 'failure', code });
    expect(phone.asked).toEqual([]);
  });

  it('phone-not-approved, whether it is there or not', async () => {
    approved = false;
    expect(await call(frame('GetNewMessages', {}))).toMatchObject({ code: 'phone-not-approved' });
    expect(await call(frame('GetNewMessages', {}, { udn: 'uuid:other' }))).toMatchObject({
      code: 'phone-not-approved',
    });
  });

  it('phone-offline', async () => {
    phone.online = false;
    expect(await call(frame('GetNewMessages', {}))).toMatchObject({ code: 'phone-offline' });
  });

  it('too-many-requests above the limit, and with an error where its id is taken', async () => {
    const { begun, release } = slowPhone();
    const open = Array.from({ length: limits.callsInFlight }, (_, n) =>
      commands.handle(frame('GetTelephonyIdentity', {}, { id: `open${n}` })),
    );
    await begun;
    await commands.handle(frame('GetTelephonyIdentity', {}, { id: 'open0' }));
    expect(frames.at(-1)).toMatchObject({ type: 'error', code: 'conflict' });
    await commands.handle(frame('GetTelephonyIdentity', {}, { id: 'more' }));
    expect(frames.at(-1)).toMatchObject({ type: 'failure', id: 'more', code: 'too-many-requests' });
    phone.journal.beginSend(phone.udn, { key, action: 'SendMessage', arguments: textMessage, begunMs: Date.now() });
    await commands.handle(sending({ id: 'begun' }));
    expect(frames.at(-1)).toMatchObject({ type: 'failure', id: 'begun', code: 'outcome-pending' });
    release();
    await Promise.all(open);
    expect(frames.filter(({ type }) => type === 'result')).toHaveLength(limits.callsInFlight);
  });
});

describe('a cancelled call', () => {
  it('is not answered, and its id is free', async () => {
    const { begun, release } = slowPhone();
    const open = commands.handle(frame('GetTelephonyIdentity', {}, { id: 'a' }));
    await begun;
    commands.cancel('a');
    commands.cancel('nothing');
    release();
    await open;
    expect(frames).toEqual([]);
    await commands.handle(frame('GetTelephonyIdentity', {}, { id: 'a' }));
    expect(frames).toMatchObject([{ type: 'result', id: 'a' }]);
  });

  it('is every open one when the tunnel is gone', async () => {
    const { begun, release } = slowPhone();
    const open = ['a', 'b'].map((id) => commands.handle(frame('GetTelephonyIdentity', {}, { id })));
    await begun;
    commands.stop();
    release();
    await Promise.all(open);
    expect(frames).toEqual([]);
  });
});

describe('an answer', () => {
  it('has texts or models, as it was asked', async () => {
    const any = { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' };
    expect(await call(frame('GetSessions', any))).toMatchObject({
      arguments: { SessionsList: expect.stringMatching(/^<sessionsList/) },
    });
    expect(await call(frame('GetSessions', any, { form: 'model' }))).toMatchObject({ arguments: { SessionsList: [] } });
  });

  it('of SendMessage tells its way, and the message is known by the key', async () => {
    expect(await call(sending({ form: 'model', arguments: { MessageToSend: message } }))).toMatchObject({
      type: 'result',
      arguments: { MessageID: 'sent-1' },
      hops: [{ hop: 'agent' }, { hop: 'soap' }, { hop: 'phone' }],
    });
    expect(phone.learned).toMatchObject([{ id: key, messageId: 'sent-1' }]);
  });

  it('of CreateSession names what it made', async () => {
    phone.answer = (action) => (action === 'CreateSession' ? { SessionID: 'chat-1' } : undefined);
    const given = { SessionClass: 'Chat', SessionRecipients: '', Subject: '', SupportedContentType: '' };
    expect(await call(frame('CreateSession', given, { key: 'k' }))).toMatchObject({ made: 's of chat-1' });
  });

  it('that no longer finds a document in what the phone said is phone-malformed', async () => {
    const asked = frame('GetTelephonyIdentity', {}, { form: 'model' });
    phone.answer = () => ({ TelephonyIdentity: '<' });
    expect(await call(asked)).toMatchObject({ code: 'phone-malformed' });
  });
});

describe('a failure', () => {
  it('is reported by codes alone, with the request', async () => {
    phone.answer = () => refusal(706);
    await call(sending({ requestId: 'r_1' }));
    expect(lines).toEqual(['SendMessage failed: phone-refused 706, request r_1.']);
    await call(frame('GetNewMessages', {}));
    expect(lines[1]).toBe('GetNewMessages failed: phone-refused 706.');
  });

  it.each([
    ['compares the phone', new UpnpError('unreachable', 'lost'), 1],
    ['does not compare the phone', refusal(706), 0],
    ['does not compare the phone', new UpnpError('malformed', 'nonsense'), 0],
  ])('%s', async (_, error, times) => {
    phone.answer = () => error;
    await call(frame('GetNewMessages', {}));
    expect(phone.resyncs).toBe(times);
  });

  it.each([603, 709])('for now (%i) makes the next success compare the phone', async (code) => {
    phone.answer = () => refusal(code);
    await call(sending());
    expect(phone.resyncs).toBe(0);
    phone.answer = () => undefined;
    expect(await call(sending())).toMatchObject({ type: 'result' });
    expect(phone.resyncs).toBe(1);
    await call(frame('AcceptSession', { SessionID: 'chat-1' }));
    expect(phone.resyncs).toBe(1);
  });

  it('of a key that was begun before is pending, whatever keeps the phone from being asked now', async () => {
    phone.answer = () => new UpnpError('unreachable', 'lost');
    expect(await call(sending())).toMatchObject({ code: 'outcome-pending' });
    phone.online = false;
    expect(await call(sending())).toMatchObject({ code: 'outcome-pending' });
    approved = false;
    expect(await call(sending())).toMatchObject({ code: 'outcome-pending' });
    expect(await call(sending({ key: 'other' }))).toMatchObject({ code: 'phone-not-approved' });
  });

  it('is idempotency-conflict for another action under the same key', async () => {
    await call(sending());
    const accept = frame('AcceptSession', { SessionID: 'chat-1' }, { key });
    expect(await call(accept)).toMatchObject({ code: 'idempotency-conflict' });
  });
});

describe('an action about a message', () => {
  const remove = (more: Partial<CallFrame> = {}) =>
    frame('DeleteMessage', { MessageID: '7' }, { message: about, ...more });

  it('is done to the message that the phone has by that identifier', async () => {
    phone.idOf = () => about;
    expect(await call(remove())).toMatchObject({ type: 'result' });
    expect(phone.askedFor('DeleteMessage')).toEqual([{ MessageID: '7' }]);
    expect(phone.deleted).toEqual([about]);
  });

  it('is not done where the phone has none, and the cloud is told that it is gone', async () => {
    expect(await call(remove())).toMatchObject({ code: 'not-on-phone' });
    expect(phone.askedFor('DeleteMessage')).toEqual([]);
    expect(phone.notFound).toEqual([about]);
  });

  it('whose deletion was answered by silence was deleted if it is gone when it is asked again', async () => {
    phone.idOf = () => about;
    phone.answer = (action) => (action === 'DeleteMessage' ? new UpnpError('unreachable', 'lost') : undefined);
    expect(await call(remove({ key: 'k' }))).toMatchObject({ code: 'outcome-pending' });
    phone.idOf = () => undefined;
    expect(await call(remove({ key: 'k' }))).toMatchObject({ type: 'result', arguments: {} });
    expect(phone.askedFor('DeleteMessage')).toHaveLength(1);
    expect(phone.deleted).toEqual([about]);
  });
});
