// What must not happen twice, besides messages: sessions and files whose answers were lost are looked up on the phone.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import type { ActionName } from '../../../protocol/actions.ts';
import type { FileInfo, PhoneSession } from '../../../protocol/phone-model.ts';
import { sampleFile } from '../../fixtures/phone/sample-file.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';
import { House } from '../house.ts';

let house: House;
beforeEach(async () => {
  house = new House();
  await house.start();
  await house.inStep();
});
afterEach(() => house.stop());

const call = (action: ActionName, given: Record<string, unknown>, key = 'once') =>
  house.cloud.call(house.phone.udn, action, given, { key });

const session = (status: PhoneSession['status']): PhoneSession => ({
  sessionId: 'chat-1',
  sessionClass: 'Chat',
  status,
  contentTypes: ['text/plain'],
  recipients: [{ address: '+1' }],
  updatedAt: '2026-11-22T12:00:00.000Z',
});

it.each([
  [603, 'is asked again under the same key: it had no room for now', { type: 'result' }],
  [709, 'is asked again under the same key: it could not reach its line for now', { type: 'result' }],
  [706, 'is not asked again', { code: 'phone-refused', upnpCode: 706 }],
])('a phone that refused a message with %i %s', async (upnpCode, _words, second) => {
  house.phone.react = ({ action }) => (action === 'SendMessage' ? upnpCode : undefined);
  const send = () => call('SendMessage', { MessageToSend: sampleMessage() });
  expect(await send()).toMatchObject({ code: 'phone-refused', upnpCode });
  house.phone.react = ({ action }) => (action === 'SendMessage' ? { MessageID: 'm-1' } : undefined);
  expect(await send()).toMatchObject(second);
  expect(house.phone.callsOf('SendMessage')).toHaveLength(upnpCode === 706 ? 1 : 2);
});

describe('a change of a session whose answer was lost', () => {
  const changes = [
    ['AcceptSession', 'Pending', 'Running'],
    ['JoinSession', 'Parked', 'Running'],
    ['LeaveSession', 'Running', 'Parked'],
    ['CloseSession', 'Running', 'Closed'],
  ] as const;
  /** The phone breaks off when it was asked, and refuses what it has done already. */
  function breakingOff(action: ActionName, before: PhoneSession['status'], after: PhoneSession['status']): void {
    house.phone.sessions = [session(before)];
    house.phone.react = (asked) => {
      if (asked.action !== action) return undefined;
      if (house.phone.callsOf(action).length > 1) return 703;
      house.phone.sessions = [session(after)];
      return 'hang-up';
    };
  }

  it.each(changes)('%s is done where the phone refuses it when it is asked again', async (action, before, after) => {
    breakingOff(action, before, after);
    expect(await settledCall(action)).toMatchObject({ type: 'result', arguments: {} });
    expect(await settledCall(action)).toMatchObject({ type: 'result', arguments: {} });
    expect(house.phone.callsOf(action)).toHaveLength(2);
  });

  it.each(changes)('%s is refused where the phone refuses it and has not done it', async (action, before) => {
    breakingOff(action, before, before);
    expect(await settledCall(action)).toMatchObject({ code: 'phone-refused', upnpCode: 703 });
    expect(await settledCall(action)).toMatchObject({ code: 'phone-refused', upnpCode: 703 });
    expect(house.phone.callsOf(action)).toHaveLength(2);
  });

  it('is pending while the phone is away, and done once when it is back', async () => {
    breakingOff('AcceptSession', 'Pending', 'Running');
    house.phone.react = () => 'hang-up';
    expect(await call('AcceptSession', { SessionID: 'chat-1' })).toMatchObject({ code: 'outcome-pending' });
    house.phone.react = ({ action }) => (action === 'AcceptSession' ? {} : undefined);
    expect(await settledCall('AcceptSession')).toMatchObject({ type: 'result', arguments: {} });
  });

  async function settledCall(action: ActionName) {
    let answer = await call(action, { SessionID: 'chat-1' });
    const isPending = () => answer.type === 'failure' && answer.code === 'outcome-pending';
    const again = async () => {
      if (isPending()) answer = await call(action, { SessionID: 'chat-1' });
      return isPending();
    };
    await expect.poll(again, { timeout: 50_000, interval: 100 }).toBe(false);
    return answer;
  }

  it('is not done again once its outcome is known, whatever has happened since', async () => {
    house.phone.react = ({ action }) => (action === 'LeaveSession' || action === 'JoinSession' ? {} : undefined);
    await call('LeaveSession', { SessionID: 'chat-1' }, 'leave');
    await call('JoinSession', { SessionID: 'chat-1' }, 'join');
    await house.restartAgent();
    expect(await call('LeaveSession', { SessionID: 'chat-1' }, 'leave')).toMatchObject({ type: 'result' });
    expect(house.phone.callsOf('LeaveSession')).toHaveLength(1);
  });
});

describe('what a phone answers to an action that must not happen twice', () => {
  const long = 'x'.repeat(500_000);
  const bytes = () => statSync(join(house.folder, 'agent.db-wal')).size;

  it('is looked up where it is no identifier, and not written down', async () => {
    house.phone.react = ({ action, given }) => {
      if (action !== 'SendMessage') return undefined;
      house.phone.take(given.get('MessageToSend') ?? '');
      return { MessageID: long };
    };
    const before = bytes();
    const message = sampleMessage({ folder: 'Outgoing', to: [{ address: '+1' }] });
    const answer = await call('SendMessage', { MessageToSend: message });
    expect(answer).toMatchObject({ type: 'result', arguments: { MessageID: house.phone.messages.at(-1)?.messageId } });
    expect(bytes() - before).toBeLessThan(long.length);
  });

  it('is kept in short where it refuses', async () => {
    const before = bytes();
    house.phone.react = ({ action }) => (action === 'CloseSession' ? [703, long] : undefined);
    for (let time = 0; time < 2; time++) {
      const answer = await call('CloseSession', { SessionID: 'chat-1' });
      expect(answer).toMatchObject({ code: 'phone-refused', upnpCode: 703, upnpDescription: 'x'.repeat(4096) });
    }
    expect(bytes() - before).toBeLessThan(long.length);
    expect(house.phone.callsOf('CloseSession')).toHaveLength(1);
  });
});

describe('a start of files whose answer was lost', () => {
  const file = sampleFile();
  const second = { ...file, fileId: 'f-2' };
  let held: FileInfo[];
  const start = (...files: FileInfo[]) => call('StartFileTransfer', { FileInfoList: files });

  /** The phone holds these after it was asked, and its answer is lost. */
  function losing(after: FileInfo[]): void {
    held = [];
    house.phone.react = ({ action }) => {
      if (action === 'GetFileTransferSession') return { FileInfoList: writeDocument('fileInfoList', held) };
      if (action !== 'StartFileTransfer') return undefined;
      held = after;
      return 'hang-up';
    };
  }

  it('was done where the phone lists them all', async () => {
    losing([
      { ...file, status: 'transferring' },
      { ...second, status: 'completed', transferredBytes: 9 },
    ]);
    expect(await start(file, second)).toMatchObject({ type: 'result', arguments: {} });
    expect(await start(file, second)).toMatchObject({ type: 'result', arguments: {} });
    expect(house.phone.callsOf('StartFileTransfer')).toHaveLength(1);
  });

  it.each([
    ['one is missing', [{ ...file, status: 'transferring' as const }]],
    ['one was cancelled', [file, { ...second, status: 'cancelled' as const }]],
  ])('is unknown where %s, and is not done again', async (_, after) => {
    losing(after);
    expect(await start(file, second)).toMatchObject({ code: 'outcome-unknown' });
    expect(await start(file, second)).toMatchObject({ code: 'outcome-unknown' });
    expect(house.phone.callsOf('StartFileTransfer')).toHaveLength(1);
  });
});
