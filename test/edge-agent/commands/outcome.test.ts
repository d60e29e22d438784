// The look-up of an outcome, directly: what a phone's lists prove, what they do not, and when they cannot be read.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findOutcome, isDone } from '../../../edge-agent/commands/outcome.ts';
import { effectAtPhone, translate } from '../../../edge-agent/commands/translation.ts';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { UpnpError } from '../../../edge-agent/upnp/error.ts';
import type { ActionName } from '../../../protocol/actions.ts';
import { effectOf } from '../../../protocol/errors.ts';
import type { PhoneSession } from '../../../protocol/phone-model.ts';
import { sampleFile } from '../../fixtures/phone/sample-file.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';
import { refusal, StubPhone } from './stub-phone.ts';

let phone: StubPhone;
beforeEach(() => {
  phone = new StubPhone();
});
afterEach(() => phone.close());

const sent = sampleMessage({ folder: 'Sent', to: [{ address: '+390110001' }], body: 'On my way' });
const find = (action: ActionName, given: Record<string, string>) =>
  findOutcome(phone.journal, phone.calls, phone.udn, { key: 'k', action, arguments: given });
const findSent = () =>
  find('SendMessage', { MessageToSend: writeDocument('message', { ...sent, folder: 'Outgoing' }) });
const unreachable = new UpnpError('unreachable', 'away', { outcome: 'not-done' });
const malformed = new UpnpError('malformed', 'nonsense');

describe('the outcome of SendMessage', () => {
  it('is pending before the phone was compared for the first time: every message would be new', async () => {
    phone.messages = [sent];
    await expect(findSent()).rejects.toMatchObject({ code: 'outcome-pending' });
    expect(phone.asked).toEqual([]);
  });

  it.each(['Outgoing', 'Sent'] as const)(
    'is the new message in %s with the same words and recipients',
    async (folder) => {
      phone.compared();
      phone.messages = [
        sampleMessage({ messageId: 'a', folder: 'Received', body: sent.body, to: sent.to }),
        { ...sent, messageId: 'b', body: 'other words' },
        { ...sent, messageId: 'c', to: [{ address: '+390110002' }] },
        { ...sent, messageId: 'd', folder },
      ];
      expect(await findSent()).toEqual({ result: { MessageID: 'd' } });
    },
  );

  it('is no message that the phone had before', async () => {
    phone.compared(sent);
    phone.messages = [sent];
    expect(await findSent()).toBe('absent');
    phone.messages = [sent, { ...sent, messageId: 'new' }];
    expect(await findSent()).toEqual({ result: { MessageID: 'new' } });
  });

  it('is pending where a list breaks off without the message', async () => {
    phone.compared();
    phone.isComplete = false;
    await expect(findSent()).rejects.toMatchObject({ code: 'outcome-pending' });
    phone.messages = [sent];
    expect(await findSent()).toEqual({ result: { MessageID: sent.messageId } });
  });

  it.each([
    ['is away', unreachable],
    ['answers nonsense', malformed],
    ['fails', refusal(501)],
    ['fails without a fault', refusal(undefined, 500)],
    ['has no memory for the list now', refusal(603)],
    ['cannot reach its line now', refusal(709)],
    ['answers what nobody knows', refusal(740)],
  ])('is pending while the phone %s', async (_, error) => {
    phone.compared();
    phone.answer = () => error;
    await expect(findSent()).rejects.toMatchObject({ code: 'outcome-pending', cause: error });
  });

  it('is told by the whole list where the phone does not list folders', async () => {
    phone.compared();
    phone.messages = [sent];
    phone.answer = (_, given) => (given.MessageFolder === 'ANY' ? undefined : refusal(601));
    expect(await findSent()).toEqual({ result: { MessageID: sent.messageId } });
    phone.messages = [];
    expect(await findSent()).toBe('absent');
  });

  it.each([401, 602])('is never told where the phone lists nothing (%i)', async (code) => {
    phone.compared();
    phone.answer = () => refusal(code);
    expect(await findSent()).toBe('untold');
  });

  it('is never told where the message is in a dialect that we cannot read', async () => {
    phone.compared();
    expect(await find('SendMessage', { MessageToSend: '<sms>hi' })).toBe('untold');
  });

  it('passes on what failed in the agent', async () => {
    phone.compared();
    phone.answer = () => new TypeError('a bug');
    await expect(findSent()).rejects.toThrow(TypeError);
  });
});

const session = (more: Partial<PhoneSession> = {}): PhoneSession => ({
  sessionId: 'chat-1',
  sessionClass: 'Chat',
  status: 'Running',
  subject: 'Dinner',
  contentTypes: ['text/plain'],
  recipients: [{ address: '+1' }, { address: '+2' }],
  ...more,
});

describe('the outcome of CreateSession', () => {
  const recipients = writeDocument('recipientsList', [{ address: '+1' }, { address: '+2' }]);
  const create = () =>
    find('CreateSession', {
      SessionClass: 'Chat',
      SessionRecipients: recipients,
      Subject: 'Dinner',
      SupportedContentType: '',
    });

  it('is the new session with the same subject and recipients', async () => {
    phone.compared();
    phone.sessions = [
      session({ sessionId: 'a', subject: 'Lunch' }),
      session({ sessionId: 'b', recipients: [{ address: '+1' }] }),
      session({ sessionId: 'c', recipients: [{ address: '+3' }, { address: '+2' }, { address: '+1' }] }),
    ];
    expect(await create()).toEqual({ result: { SessionID: 'c' } });
  });

  it('is no session that was known before', async () => {
    phone.compared();
    phone.journal.record(phone.udn, { putSessions: [{ id: 's', session: session() }], events: [] });
    phone.sessions = [session()];
    expect(await create()).toBe('absent');
  });

  it('is never told for recipients that we cannot read', async () => {
    phone.compared();
    expect(await find('CreateSession', { SessionRecipients: 'nobody', Subject: '', SessionClass: 'Chat' })).toBe(
      'untold',
    );
  });
});

describe('an action is done', () => {
  it.each([
    ['AcceptSession', 'Running', true],
    ['AcceptSession', 'Pending', false],
    ['JoinSession', 'Running', true],
    ['JoinSession', 'Parked', false],
    ['LeaveSession', 'Parked', true],
    ['LeaveSession', 'Closed', true],
    ['LeaveSession', 'Running', false],
    ['CloseSession', 'Closed', true],
    ['CloseSession', 'Running', false],
    ['ModifySession', 'Running', false],
  ] as const)('%s where the session is %s: %s', async (action, status, done) => {
    phone.sessions = [session({ status })];
    expect(await isDone(phone.calls, { action, arguments: { SessionID: 'chat-1' } })).toBe(done);
  });

  it.each([
    ['CloseSession', true],
    ['AcceptSession', false],
    ['LeaveSession', false],
  ] as const)('%s where the session is gone: %s', async (action, done) => {
    expect(await isDone(phone.calls, { action, arguments: { SessionID: 'chat-1' } })).toBe(done);
  });

  it.each([
    ['pending', false],
    ['transferring', false],
    ['cancelled', true],
    ['completed', true],
  ] as const)('CancelFileTransfer where a file is %s: %s', async (status, done) => {
    phone.files = [sampleFile({ status })];
    expect(await isDone(phone.calls, { action: 'CancelFileTransfer', arguments: { SessionID: 'chat-1' } })).toBe(done);
  });

  it.each([
    [['transferring', 'completed'], true],
    [['transferring', 'cancelled'], false],
    [['transferring'], false],
  ] as const)('StartFileTransfer of two where the phone has %j: %s', async (statuses, done) => {
    phone.files = statuses.map((status, index) => sampleFile({ fileId: `f-${index + 1}`, status }));
    const FileInfoList = writeDocument('fileInfoList', [sampleFile(), sampleFile({ fileId: 'f-2' })]);
    expect(await isDone(phone.calls, { action: 'StartFileTransfer', arguments: { FileInfoList } })).toBe(done);
  });
});

describe('an error of a phone', () => {
  const notDone = new UpnpError('unreachable', 'refused connection', { outcome: 'not-done' });
  it.each([
    ['no connection', notDone, 'none', 'phone-unreachable', 'phone-unreachable'],
    ['no answer', new UpnpError('unreachable', 'lost'), 'unknown', 'outcome-unknown', 'phone-unreachable'],
    ['nonsense', malformed, 'unknown', 'outcome-unknown', 'phone-malformed'],
    ['HTTP 404', refusal(undefined, 404), 'none', 'phone-refused', 'phone-refused'],
    [
      'HTTP 500',
      new UpnpError('refused', '500', { outcome: 'unknown', httpStatus: 500 }),
      'unknown',
      'outcome-unknown',
      'phone-refused',
    ],
    ['a fault without a code', refusal(undefined), 'unknown', 'phone-refused', 'phone-refused'],
    ['501', refusal(501, 500), 'unknown', 'phone-refused', 'phone-refused'],
    ['706', refusal(706, 500), 'none', 'phone-refused', 'phone-refused'],
    ['740', refusal(740, 500), 'unknown', 'phone-refused', 'phone-refused'],
    ['a bug', new TypeError('a bug'), undefined, 'internal', 'internal'],
  ] as const)('%s: effect %s, %s and for what may be repeated %s', (_, error, effect, once, repeatable) => {
    if (error instanceof UpnpError) expect(effectAtPhone(error)).toBe(effect);
    expect(translate(error, { repeatable: false }).code).toBe(once);
    expect(translate(error, { repeatable: true }).code).toBe(repeatable);
  });

  it('after the deadline is not that of an unreachable phone', () => {
    const failure = translate(notDone, { repeatable: true, deadlinePassed: true });
    expect([failure.code, effectOf(failure)]).toEqual(['deadline-exceeded', 'pending']);
  });
});
