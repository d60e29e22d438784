// Synchronising a phone: what must not be concluded once an approval is revoked (requirement Z13), and the cap on what is
// remembered of a phone.
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PhoneControlPoint } from '../../../edge-agent/messaging/control-point.ts';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { KnownPhone } from '../../../edge-agent/messaging/known-phone.ts';
import { PendingSync } from '../../../edge-agent/messaging/pending-sync.ts';
import { SyncPass } from '../../../edge-agent/messaging/sync-pass.ts';
import { PhoneSynchroniser } from '../../../edge-agent/messaging/synchronise.ts';
import { LanNetwork } from '../../../edge-agent/upnp/network/network.ts';
import type { EdgeEvent } from '../../../protocol/frames.ts';
import type { PhoneSession } from '../../../protocol/phone-model.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';
import { ScriptedPhone } from '../../fixtures/phone/scripted-phone.ts';
import { eventsAfter, newFolder, openOutbox } from '../tunnel/sample-events.ts';

const phone = new ScriptedPhone();
const network = new LanNetwork({ interfaces: ['lo'], allowOwnAddress: true });
let folder: string;
let box: ReturnType<typeof openOutbox>;
let controlPoint: PhoneControlPoint;
let synchroniser: PhoneSynchroniser;
let onAsked: (question: string) => void;

beforeEach(async () => {
  folder = newFolder();
  box = openOutbox(folder);
  onAsked = () => {};
  await phone.start();
  await network.start();
  controlPoint = new PhoneControlPoint({
    network,
    udn: phone.udn,
    controlUrl: new URL('/control', phone.location).href,
    serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
  });
  synchroniser = new PhoneSynchroniser({
    controlPoint,
    memory: box.journal,
    cloud: {
      store: () => 'store',
      inventory: async () => {
        onAsked('inventory');
        return [];
      },
    },
    report: () => {},
  });
  synchroniser.setApproved(true);
});
afterEach(async () => {
  await synchroniser.stop();
  await network.stop();
  await phone.stop();
  box.close();
  rmSync(folder, { recursive: true });
});

describe('an approval revoked during a sync pass', () => {
  const told = () => eventsAfter(box.outbox, 0, 100).map(({ event }) => (event as EdgeEvent).type);

  /** One full sync pass. */
  async function look(): Promise<void> {
    synchroniser.request((pendingSync) => pendingSync.addSession('s-1', { files: true }));
    synchroniser.start();
    await synchroniser.stop();
  }

  beforeEach(() => {
    phone.messages = [];
    phone.receive('private');
    phone.sessions = [
      { sessionId: 's-1', sessionClass: 'Chat', status: 'Running', contentTypes: ['text/plain'], recipients: [] },
    ];
    phone.react = ({ action }) => {
      onAsked(action);
      return action === 'GetFileTransferSession' ? { FileInfoList: writeDocument('fileInfoList', [file]) } : undefined;
    };
  });

  it.each(['inventory', 'GetSessions', 'SearchMessages', 'GetFileTransferSession'])(
    'at %s: nothing of the answer is reported until it is approved again',
    async (question) => {
      let before: string[] | undefined;
      onAsked = (asked) => {
        if (asked !== question) return;
        synchroniser.setApproved(false);
        before = told();
      };
      await look();
      expect(before).toBeDefined();
      expect(told()).toEqual(before);

      onAsked = () => {};
      synchroniser.setApproved(true);
      await look();
      expect(new Set(told())).toEqual(new Set(['session.put', 'message.put', 'file.progress']));
    },
  );
});

describe('a phone that lists more each time', () => {
  let known: KnownPhone;
  let look: SyncPass;
  let asked: (string | undefined)[];

  /** A list of three million characters; three such lists exceed the cap. */
  const list = (sessionId: string) =>
    writeDocument(
      'messageList',
      Array.from({ length: 12 }, () => {
        const messageId = randomUUID();
        return sampleMessage({ messageId, sessionId, body: `${messageId}${'x'.repeat(250_000)}` });
      }),
    );
  async function lookFor(...sessions: string[]): Promise<number> {
    const pendingSync = new PendingSync();
    for (const SessionID of sessions) pendingSync.search({ SessionID });
    await look.syncMessages(pendingSync, new PendingSync());
    return box.journal.messagesOf(phone.udn).length;
  }

  beforeEach(() => {
    asked = [];
    known = new KnownPhone({ udn: phone.udn, memory: box.journal });
    known.load();
    const unheard = () => {};
    const cloud = { store: () => 'store', inventory: async () => [] };
    look = new SyncPass({ controlPoint, known, cloud, onEpoch: unheard, onRecovered: unheard });
    phone.react = ({ given }) => {
      const sessionId = given.get('SessionID') ?? '';
      asked.push(sessionId);
      return { MessageList: list(sessionId) };
    };
  });

  it('must list everything before more is remembered than one list can hold', async () => {
    const remembered: number[] = [];
    for (let n = 0; n < 5; n++) remembered.push(await lookFor('s'));
    expect(asked).toEqual(['s', 's', 's', '', 's']);
    expect(remembered).toEqual([12, 24, 36, 48, 60]);
  });

  it('must do so when several lists of one pass together exceed the cap', async () => {
    // The third list up to the cap, then the complete one.
    expect(await lookFor('s1', 's2', 's3', 's4')).toBe(33 + 11);
    expect(asked).toEqual(['s1', 's2', 's3', '']);
  });

  it('is capped alike when listed in parts', async () => {
    phone.react = ({ given }) => (given.get('MessageFolder') === 'ANY' ? 402 : { MessageList: list('') });
    const whole = new PendingSync();
    whole.addAllMessages();
    await look.syncMessages(whole, new PendingSync());
    expect(box.journal.messagesOf(phone.udn)).toHaveLength(5 * 12);
  });

  it('gets known files reported again when it names more of them than the cap', () => {
    const told = () => box.database.prepare('SELECT count(*) AS events FROM outbox').get()?.events;
    const files = (count: number, from = 0) =>
      Array.from({ length: count }, (_, n) => ({ ...file, fileId: `f-${from + n}`, name: 'x'.repeat(4000) }));
    known.concludeFiles(files(1000), 's-1');
    known.concludeFiles(files(1000), 's-1');
    expect(told()).toBe(1000);
    known.concludeFiles(files(1100, 1000), 's-1');
    known.concludeFiles(files(1, 2100), 's-1');
    known.concludeFiles(files(1), 's-1');
    expect(told()).toBe(2102);
  });

  it('must list all its sessions before more of them are remembered than one list can hold', async () => {
    const sessionOf = (sessionId: string): PhoneSession => ({
      sessionId,
      sessionClass: 'Chat',
      status: 'Running',
      contentTypes: [],
      recipients: [],
      subject: 'x'.repeat(4000),
    });
    phone.react = ({ given }) => {
      asked.push(given.get('SessionID'));
      const sessions = Array.from({ length: 200 }, () => sessionOf(randomUUID()));
      return { SessionsList: writeDocument('sessionsList', sessions) };
    };
    while (!known.isOverfull) {
      const pendingSync = new PendingSync();
      pendingSync.addSession('s');
      await look.syncSessions(pendingSync, new PendingSync());
      expect(asked.length).toBeLessThan(20);
    }
    const next = new PendingSync();
    const pendingSync = new PendingSync();
    pendingSync.addSession('s');
    const before = asked.length;
    await look.syncSessions(pendingSync, next);
    expect([asked.length - before, next.everything]).toEqual([0, true]);
    await look.syncSessions(next, new PendingSync());
    expect([known.isOverfull, box.journal.sessionsOf(phone.udn).length]).toEqual([false, 200]);
  });
});

const file = {
  fileId: 'f-1',
  sessionId: 's-1',
  name: 'photo.jpg',
  contentType: 'image/jpeg',
  sizeBytes: 1000,
  url: 'http://192.168.1.20/photo.jpg',
  direction: 'receive',
  status: 'transferring',
  transferredBytes: 10,
} as const;
