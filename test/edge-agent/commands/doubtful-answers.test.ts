// Answers after which the phone may or may not have acted: 501 Action Failed, codes that nobody knows, unreadable ones.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import type { ActionName } from '../../../protocol/actions.ts';
import type { EdgeEvent, FrameOf } from '../../../protocol/frames.ts';
import type { FileInfo, PhoneSession } from '../../../protocol/phone-model.ts';
import { sampleFile } from '../../fixtures/phone/sample-file.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';
import type { PhoneCall, Reaction } from '../../fixtures/phone/scripted-phone.ts';
import { House } from '../house.ts';

let house: House;
beforeEach(async () => {
  house = new House();
  await house.start();
  await house.inStep();
});
afterEach(() => house.stop());

const key = 'm_01KAPQ3Z5N0123456789ABCDEF';
const message = sampleMessage({ folder: 'Outgoing', to: [{ address: '+390110001' }], body: 'On my way' });
const call = (action: ActionName, given: Record<string, unknown>, options: { key?: string; form?: 'text' } = { key }) =>
  house.cloud.call(house.phone.udn, action, given, options);
const send = () => call('SendMessage', { MessageToSend: message });
const textSend = (options: { key?: string } = {}) =>
  call('SendMessage', { MessageToSend: writeDocument('message', message) }, { form: 'text', ...options });
const puts = () =>
  house.cloud.events.filter((event): event is FrameOf<EdgeEvent, 'message.put'> => event.type === 'message.put');

/** The phone answers the action so; where it acts, it does so before. */
function answering(action: ActionName, reaction: Reaction, act: (asked: PhoneCall) => void = () => {}): void {
  house.phone.react = (asked) => {
    if (asked.action !== action) return undefined;
    act(asked);
    return reaction;
  };
}
const acts = ({ given }: PhoneCall) => {
  house.phone.take(given.get('MessageToSend') ?? '');
};
const lostAnswer: Reaction = [501, 'the answer is lost'];
const doubtful: [string, Reaction][] = [
  ['501', lostAnswer],
  ['an unknown code of the service', 740],
  ['a code of the vendor', 899],
  ['a fault without a code', Buffer.from(fault('<faultstring>oops</faultstring>'))],
  ['an HTTP error without a fault', 'error-page'],
  ['nonsense', 'garbage'],
  ['no answer', 'hang-up'],
];

function fault(inner: string): string {
  return `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>${inner}</s:Fault></s:Body></s:Envelope>`;
}

describe('a phone that sends a message and answers', () => {
  it.each(doubtful)('%s: the message is found, and is the send', async (_, reaction) => {
    answering('SendMessage', reaction, acts);
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    await house.cloud.until(() => puts().length > 0);
    await house.phone.notifyNewMessages(house.phone.receive('a later one'));
    await house.cloud.until(() => puts().some((put) => put.message.body === 'a later one'));
    expect(puts().filter((put) => put.message.body === message.body)).toMatchObject([{ id: key }]);
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it.each(doubtful.slice(4))('%s: it is found for a caller by name too, with a key or without', async (_, reaction) => {
    answering('SendMessage', reaction, acts);
    expect(await textSend()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    await house.cloud.until(() => puts().length === 1);
    expect(await textSend({ key: 'any key' })).toMatchObject({ type: 'result', arguments: { MessageID: 'm-2' } });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(2);
  });

  it('501, and lists no messages for now: the outcome is pending until it does', async () => {
    let isListing = false;
    house.phone.react = (asked) => {
      if (asked.action === 'SearchMessages' && !isListing) return 501;
      if (asked.action !== 'SendMessage') return undefined;
      acts(asked);
      return lostAnswer;
    };
    expect(await send()).toMatchObject({ code: 'outcome-pending' });
    isListing = true;
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('501, and does not know the folders of a send: the whole list tells', async () => {
    house.phone.react = (asked) => {
      if (asked.action === 'SearchMessages' && asked.given.get('MessageFolder') !== 'ANY') return 601;
      if (asked.action !== 'SendMessage') return undefined;
      acts(asked);
      return lostAnswer;
    };
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
  });

  it('501, and has no list of messages: nobody can tell', async () => {
    house.phone.react = ({ action }) => {
      if (action === 'SearchMessages') return 401;
      return action === 'SendMessage' ? lostAnswer : undefined;
    };
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });
});

describe('a phone that does not send the message and answers', () => {
  it.each(doubtful.slice(0, 4))('%s: it refused, once for its key', async (_, reaction) => {
    answering('SendMessage', reaction);
    const refused = { type: 'failure', code: 'phone-refused' };
    const first = await send();
    expect(first).toMatchObject(refused);
    await house.restartAgent();
    house.phone.react = () => undefined;
    expect(await send()).toMatchObject({ ...first, id: expect.any(String) });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
    answering('SendMessage', reaction);
    expect(await textSend()).toMatchObject(refused);
  });

  it('501: its words and code are told', async () => {
    answering('SendMessage', lostAnswer);
    expect(await send()).toMatchObject({ upnpCode: 501, upnpDescription: 'the answer is lost' });
  });

  it.each(doubtful.slice(4))('%s: nobody can tell whether it did', async (_, reaction) => {
    answering('SendMessage', reaction);
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    expect(await textSend()).toMatchObject({ code: 'outcome-unknown' });
  });

  it('501, and lists no messages for now: it refused as soon as the whole list does not show it', async () => {
    house.phone.react = ({ action }) => (action === 'SendMessage' || action === 'SearchMessages' ? 501 : undefined);
    expect(await send()).toMatchObject({ code: 'outcome-pending' });
    await house.agent?.stop();
    house.phone.react = () => undefined;
    await house.restartAgent();
    expect(await send()).toMatchObject({ code: 'phone-refused', upnpCode: 501 });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });
});

describe('a message that appears after the phone answered 501', () => {
  let given: string;
  beforeEach(async () => {
    answering('SendMessage', lostAnswer, (asked) => {
      given = asked.given.get('MessageToSend') ?? '';
    });
    expect(await send()).toMatchObject({ code: 'phone-refused', upnpCode: 501 });
    house.phone.react = () => undefined;
  });
  const appear = () => ({ ...house.phone.take(given), time: new Date().toISOString() });

  it('joins its send when the phone tells of it', async () => {
    house.phone.messages[0] = appear();
    await house.phone.notifyNewMessages(...house.phone.messages);
    await house.cloud.until(() => puts().length > 0);
    expect(puts()).toMatchObject([{ id: key, message: { folder: 'Sent', body: message.body } }]);
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('joins its send when the agent was restarted and finds it', async () => {
    await house.agent?.stop();
    house.phone.messages[0] = appear();
    await house.restartAgent();
    await house.cloud.until(() => puts().length > 0);
    expect(puts()).toMatchObject([{ id: key }]);
  });

  it('joins its send, and not a second one of the same words whose outcome is known', async () => {
    const second = 'm_01KAPQ3Z5N0123456789ABCDEG';
    expect(await call('SendMessage', { MessageToSend: message }, { key: second })).toMatchObject({
      type: 'result',
      arguments: { MessageID: 'm-1' },
    });
    await house.cloud.until(() => puts().length === 1);
    const late = appear();
    house.phone.messages = [...house.phone.messages.filter(({ messageId }) => messageId !== late.messageId), late];
    await house.phone.notifyNewMessages(late);
    await house.cloud.until(() => puts().length === 2);
    expect(puts()).toMatchObject([{ id: second }, { id: key, message: { messageId: late.messageId } }]);
  });

  it('is a message of its own if its time says that it was written much later', async () => {
    await house.agent?.stop();
    house.changeJournal(`UPDATE sends SET begun_ms = begun_ms - 7200000 WHERE key = '${key}'`);
    house.phone.messages[0] = appear();
    await house.restartAgent();
    await house.cloud.until(() => puts().length > 0);
    expect(puts()[0]?.id).not.toBe(key);
    expect(await send()).toMatchObject({ code: 'phone-refused', upnpCode: 501 });
  });
});

describe('other actions that a phone does and answers with 501', () => {
  const session = (more: Partial<PhoneSession> = {}): PhoneSession => ({
    sessionId: 'chat-1',
    sessionClass: 'Chat',
    status: 'Running',
    subject: 'Dinner',
    contentTypes: ['text/plain'],
    recipients: [{ address: '+1' }],
    updatedAt: '2026-11-22T12:00:00.000Z',
    ...more,
  });
  const newSession = {
    SessionClass: 'Chat',
    SessionRecipients: [{ address: '+1' }],
    Subject: 'Dinner',
    SupportedContentType: 'text/plain',
  };

  it.each([{ key: 'once' }, {}])(
    'CreateSession is done, and made the session that is new, with %j',
    async (options) => {
      answering('CreateSession', lostAnswer, () => house.phone.sessions.push(session()));
      const create = () => call('CreateSession', newSession, options);
      expect(await create()).toMatchObject({ type: 'result', arguments: { SessionID: 'chat-1' } });
      expect(house.phone.callsOf('CreateSession')).toHaveLength(1);
    },
  );

  it.each([{ key: 'once' }, {}])(
    'CreateSession is refused where there is no such session, with %j',
    async (options) => {
      answering('CreateSession', lostAnswer);
      expect(await call('CreateSession', newSession, options)).toMatchObject({ code: 'phone-refused', upnpCode: 501 });
    },
  );

  it('CreateSession is pending while the phone lists no sessions, and unknown without a key', async () => {
    house.phone.react = ({ action }) => (action === 'CreateSession' || action === 'GetSessions' ? 501 : undefined);
    expect(await call('CreateSession', newSession, { key: 'once' })).toMatchObject({ code: 'outcome-pending' });
    expect(await call('CreateSession', newSession, {})).toMatchObject({ code: 'outcome-unknown' });
    house.phone.react = () => undefined;
    house.phone.sessions.push(session());
    expect(await call('CreateSession', newSession, { key: 'once' })).toMatchObject({
      arguments: { SessionID: 'chat-1' },
    });
  });

  it('StartFileTransfer is done where the phone lists the file as under way, and refused otherwise', async () => {
    const file = sampleFile();
    let held: FileInfo[] = [];
    house.phone.react = ({ action }) => {
      if (action === 'GetFileTransferSession') return { FileInfoList: writeDocument('fileInfoList', held) };
      return action === 'StartFileTransfer' ? lostAnswer : undefined;
    };
    const start = (given: string) => call('StartFileTransfer', { FileInfoList: [file] }, { key: given });
    expect(await start('first')).toMatchObject({ code: 'phone-refused', upnpCode: 501 });
    held = [{ ...file, status: 'transferring' }];
    expect(await start('second')).toMatchObject({ type: 'result', arguments: {} });
  });

  it.each([
    ['AcceptSession', 'Pending', 'Running'],
    ['LeaveSession', 'Running', 'Parked'],
    ['CloseSession', 'Running', 'Closed'],
  ] as const)('%s is done where the session is as it would be', async (action, before, after) => {
    house.phone.sessions = [session({ status: before })];
    const change = (given: string) => call(action, { SessionID: 'chat-1' }, { key: given });
    answering(action, lostAnswer);
    expect(await change('first')).toMatchObject({ code: 'phone-refused', upnpCode: 501 });
    answering(action, lostAnswer, () => {
      house.phone.sessions = [session({ status: after })];
    });
    expect(await change('second')).toMatchObject({ type: 'result', arguments: {} });
  });
});
