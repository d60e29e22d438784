// A simulated line: a few correspondents who answer after a moment, to try a phone without a SIM.
import { setTimeout as pause } from 'node:timers/promises';
import type { Capabilities, FileInfo, Party, PhoneMessage, PhoneSession } from '../../../protocol/phone-model.ts';
import type { Line, LineEvents, LineSessionStep } from './line.ts';

interface Correspondent extends Party {
  readonly displayName: string;
  /** The reply to a message; undefined for none. */
  answer(body: string): string | undefined;
}

const correspondents: readonly Correspondent[] = [
  {
    address: '+390110001',
    displayName: 'Nonna',
    answer: (body) =>
      /cena|dinner|pranzo|lunch/i.test(body) ? 'At eight. Bring nothing, I have cooked.' : 'Have you eaten?',
  },
  {
    address: '+390110002',
    displayName: 'Plumber',
    answer: (body) => (/thank|grazie/i.test(body) ? undefined : 'I can come tomorrow between 9 and 11.'),
  },
  {
    address: 'office@school.example',
    displayName: 'School',
    answer: () => 'Thank you for your message. The office is open on weekdays from 8 to 12.',
  },
  {
    address: 'xmpp:ada@chat.example',
    displayName: 'Ada',
    answer: (body) => `You said “${body.slice(0, 200)}”. Tell me more.`,
  },
];

const demonstrationCapabilities: Capabilities = {
  classes: [
    {
      messageClass: 'SMS',
      pageMode: true,
      sessionMode: true,
      maxBodyLength: 1530,
      maxRecipients: 10,
      maxAttachmentBytes: 0,
      contentTypes: ['text/plain'],
    },
    {
      messageClass: 'MMS',
      pageMode: true,
      sessionMode: true,
      maxBodyLength: 5000,
      maxRecipients: 10,
      maxAttachmentBytes: 300_000,
      contentTypes: ['text/plain'],
    },
    {
      messageClass: 'e-Mail',
      pageMode: true,
      sessionMode: true,
      maxBodyLength: 100_000,
      maxRecipients: 50,
      maxAttachmentBytes: 8_000_000,
      contentTypes: ['text/plain', 'text/html'],
    },
    {
      messageClass: 'Instant Message',
      pageMode: true,
      sessionMode: true,
      maxBodyLength: 20_000,
      maxRecipients: 50,
      maxAttachmentBytes: 0,
      contentTypes: ['text/plain'],
    },
  ],
  sessionClasses: ['e-Mail', 'SMS', 'MMS', 'Chat', 'File-Transfer', 'Mixed'],
  fileTransfer: true,
};

const photo = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAgAAAAIAQMAAAD+wSzIAAAABlBMVEX///+/v7+jQ3Y5AAAADklEQVQI12P4AIX8EAgALgAD/aNpbtEAAAAASUVORK5CYII=',
  'base64',
);

/** A message with `chat` makes a correspondent offer a session; in a session with files, `photo` makes one offer a file. */
export class DemonstrationLine implements Line {
  readonly capabilities = demonstrationCapabilities;
  readonly correspondents: readonly Party[] = correspondents;
  readonly #answerAfterMs: number;
  #events: LineEvents | undefined;
  #stopping = new AbortController();

  /** @param answerAfterMs delay before a correspondent answers */
  constructor(options: { answerAfterMs?: number } = {}) {
    this.#answerAfterMs = options.answerAfterMs ?? 1500;
  }

  async start(events: LineEvents): Promise<void> {
    this.#stopping = new AbortController();
    this.#events = events;
  }

  async stop(): Promise<void> {
    this.#events = undefined;
    this.#stopping.abort();
  }

  /** Phone numbers for text messages, mail addresses for mail, any address otherwise. */
  reaches(address: string, messageClass: string): boolean {
    if (address.trim() === '') return false;
    if (messageClass === 'SMS') return /^\+?[0-9*#][0-9*# ()./-]{1,30}$/.test(address);
    if (messageClass === 'e-Mail') return /^[^@]+@[^@]+$/.test(address);
    return true;
  }

  async send(message: PhoneMessage): Promise<void> {
    for (const party of message.to) {
      const correspondent = correspondents.find((one) => one.address === party.address);
      if (correspondent !== undefined) this.#later((events) => this.#answer(events, correspondent, message));
    }
  }

  /** Invited correspondents join; the initiator greets when we accept. */
  async step(session: PhoneSession, step: LineSessionStep): Promise<void> {
    const known = correspondents.filter((one) =>
      [session.initiator, ...session.recipients].some(
        (party) => party?.address === one.address && party.state !== 'left',
      ),
    );
    if (step === 'created' || step === 'modified') {
      for (const { address, displayName } of known) {
        const invited = session.recipients.some((party) => party.address === address && party.state === 'invited');
        if (invited) this.#later((events) => events.joined(session.sessionId, { address, displayName }));
      }
    }
    const [first] = known;
    if (step === 'accepted' && first !== undefined) this.#say(first, session.sessionId, 'There you are.');
  }

  async sendFile(file: FileInfo): Promise<void> {
    const [first] = correspondents;
    if (first !== undefined) this.#say(first, file.sessionId, `Got ${file.name}.`);
  }

  async fetchFile(): Promise<Uint8Array> {
    return photo;
  }

  #say({ address, displayName }: Correspondent, sessionId: string, body: string): void {
    this.#later((events) =>
      events.arrived({ messageClass: 'Instant Message', from: { address, displayName }, sessionId, body }),
    );
  }

  async #answer(events: LineEvents, correspondent: Correspondent, message: PhoneMessage): Promise<void> {
    const { sessionId } = message;
    const from: Party = { address: correspondent.address, displayName: correspondent.displayName };
    if (sessionId === undefined && /\bchat\b/i.test(message.body)) {
      await events.offered({
        sessionClass: 'Chat',
        initiator: from,
        subject: `Chat with ${correspondent.displayName}`,
      });
      return;
    }
    if (sessionId !== undefined && /\bphoto\b/i.test(message.body)) {
      await events.fileOffered({ sessionId, name: 'photo.png', contentType: 'image/png', sizeBytes: photo.length });
      return;
    }
    const body = correspondent.answer(message.body);
    if (body === undefined) return;
    await events.arrived({
      messageClass: message.messageClass,
      from,
      body,
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(message.subject === undefined ? {} : { subject: `Re: ${message.subject}` }),
    });
  }

  /** Acts after the delay. A failure, such as a session closed in between, is ignored. */
  #later(act: (events: LineEvents) => Promise<unknown>): void {
    pause(this.#answerAfterMs, undefined, { signal: this.#stopping.signal })
      .then(() => this.#events && act(this.#events))
      .catch(() => undefined);
  }
}
