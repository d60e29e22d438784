// Keeping in step with a phone: what may no longer be concluded from an answer when it comes (requirement Z13).
import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PhoneControlPoint } from '../../../edge-agent/messaging/control-point.ts';
import { writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { PhoneSynchroniser } from '../../../edge-agent/messaging/synchronise.ts';
import { LanNetwork } from '../../../edge-agent/upnp/network/network.ts';
import type { EdgeEvent } from '../../../protocol/frames.ts';
import { ScriptedPhone } from '../../fixtures/phone/scripted-phone.ts';
import { newFolder, openOutbox } from '../tunnel/sample-events.ts';

describe('an approval taken back in the middle of a look', () => {
  const phone = new ScriptedPhone();
  const network = new LanNetwork({ interfaces: ['lo'], allowOwnAddress: true });
  let folder: string;
  let box: ReturnType<typeof openOutbox>;
  let synchroniser: PhoneSynchroniser;
  let onAsked: (question: string) => void;

  const told = () => box.outbox.after(0, 100).map(({ event }) => (event as EdgeEvent).type);

  /** One look at everything, from its beginning to its end. */
  async function look(): Promise<void> {
    synchroniser.request((agenda) => agenda.lookAtSession('s-1', { files: true }));
    synchroniser.start();
    await synchroniser.stop();
  }

  beforeEach(async () => {
    folder = newFolder();
    box = openOutbox(folder);
    phone.messages = [];
    phone.receive('private');
    phone.sessions = [
      { sessionId: 's-1', sessionClass: 'Chat', status: 'Running', contentTypes: ['text/plain'], recipients: [] },
    ];
    phone.react = ({ action }) => {
      onAsked(action);
      return action === 'GetFileTransferSession' ? { FileInfoList: writeDocument('fileInfoList', [file]) } : undefined;
    };
    await phone.start();
    await network.start();
    synchroniser = new PhoneSynchroniser({
      controlPoint: new PhoneControlPoint({
        network,
        udn: phone.udn,
        controlUrl: new URL('/control', phone.location).href,
        serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
      }),
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

  it.each(['inventory', 'GetSessions', 'SearchMessages', 'GetFileTransferSession'])(
    'at %s: nothing of the answer is told, until it is given again',
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
