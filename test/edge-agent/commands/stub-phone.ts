// A phone without a network, and a journal on a real file, for direct tests of the commands.
import { rmSync } from 'node:fs';
import type { CommandPhone } from '../../../edge-agent/commands/commands.ts';
import {
  checkArguments,
  type PhoneCalls,
  readArguments,
  type TextArguments,
} from '../../../edge-agent/messaging/control-point.ts';
import { readDocument, writeDocument } from '../../../edge-agent/messaging/documents.ts';
import { fingerprintOf } from '../../../edge-agent/messaging/evidence.ts';
import type { KnownItem } from '../../../edge-agent/messaging/known-messages.ts';
import { PendingSync } from '../../../edge-agent/messaging/pending-sync.ts';
import type { Journal } from '../../../edge-agent/tunnel/journal.ts';
import { UpnpError } from '../../../edge-agent/upnp/error.ts';
import type { ActionName } from '../../../protocol/actions.ts';
import type { ActionOutput, FileInfo, PhoneMessage, PhoneSession } from '../../../protocol/phone-model.ts';
import { newFolder, openOutbox, udn } from '../tunnel/sample-events.ts';

/** What an action answers; an error is thrown. */
type Answer = TextArguments | Error;

export function refusal(upnpCode: number | undefined, httpStatus?: number): UpnpError {
  const description = upnpCode === undefined ? {} : { upnpDescription: 'as scripted' };
  return new UpnpError('refused', 'refused', { upnpCode, httpStatus, ...description });
}

export class StubPhone implements CommandPhone {
  readonly udn = udn;
  online = true;
  messages: PhoneMessage[] = [];
  sessions: PhoneSession[] = [];
  files: FileInfo[] = [];
  /** Whether lists of messages are read to their end. */
  isComplete = true;
  resyncs = 0;
  /** Tells what became known by a key. */
  readonly learned: KnownItem[] = [];
  /** Identifiers of ours of messages that are gone. */
  readonly notFound: string[] = [];
  readonly deleted: string[] = [];
  readonly asked: { action: string; given: TextArguments }[] = [];
  /** Our identifier of the message under a MessageID; undefined: there is none. */
  idOf: (messageId: string) => string | undefined = () => undefined;
  /** Answers an action in place of the stub. */
  answer: (action: ActionName, given: TextArguments) => Answer | Promise<Answer> | undefined = () => undefined;
  readonly #folder = newFolder();
  readonly #opened = openOutbox(this.#folder);

  get journal(): Journal {
    return this.#opened.journal;
  }

  /** As after the first comparison with the cloud; knows these messages since then. */
  compared(...known: PhoneMessage[]): void {
    this.journal.record(udn, {
      comparedStore: 'store',
      events: [],
      putMessages: known.map((message, index) => ({
        id: `m_${String(index).padStart(26, '0')}`,
        messageId: message.messageId,
        epoch: 0,
        fingerprint: fingerprintOf(message),
      })),
    });
  }

  askedFor(action: ActionName): TextArguments[] {
    return this.asked.filter((each) => each.action === action).map(({ given }) => given);
  }

  close(): void {
    this.#opened.close();
    rmSync(this.#folder, { recursive: true });
  }

  resync(): void {
    this.resyncs++;
  }

  readonly synchroniser: CommandPhone['synchroniser'] = {
    epoch: 0,
    identify: async (_calls, { messageId }) => {
      const id = this.idOf(messageId);
      return id === undefined ? undefined : { id, messageId };
    },
    learn: (item) => this.learned.push(item),
    onNotFound: (id) => this.notFound.push(id),
    onDeleted: (id) => this.deleted.push(id),
    onSeen: () => {},
    request: (add) => add(new PendingSync()),
    sessionKeyOf: (sessionId) => `s of ${sessionId}`,
  };

  readonly calls: PhoneCalls = {
    text: async (action, given, { beforeSend }) => {
      beforeSend?.();
      return { ...(await this.#answerTo(action, given)) };
    },
    model: async (action, input, options) => {
      const output = await this.calls.text(action, checkArguments(action, 'model', { ...input }), options);
      return readArguments(udn, action, output) as ActionOutput<typeof action>;
    },
    searchMessages: async (search, _options, take) => {
      await this.#answerTo('SearchMessages', { ...search });
      const { MessageFolder } = search;
      const listed = this.messages.filter(({ folder }) => MessageFolder === 'ANY' || folder === MessageFolder);
      await take(listed.map((message) => ({ message, xml: '<m/>' })));
      return { isComplete: this.isComplete, count: listed.length };
    },
  };

  readonly controlPoint: CommandPhone['controlPoint'] = {
    inTurn: (task) => task(this.calls),
    read: async (action, given) => ({ ...(await this.#answerTo(action, given)) }),
  };

  async #answerTo(action: ActionName, given: TextArguments): Promise<TextArguments> {
    this.asked.push({ action, given });
    const answer = (await this.answer(action, given)) ?? this.#usual(action, given);
    if (answer instanceof Error) throw answer;
    return answer;
  }

  #usual(action: ActionName, given: TextArguments): TextArguments {
    switch (action) {
      case 'SendMessage':
        return { MessageID: this.take(given).messageId };
      case 'GetSessions':
        return { SessionsList: writeDocument('sessionsList', this.sessions) };
      case 'GetFileTransferSession':
        return { FileInfoList: writeDocument('fileInfoList', this.files) };
      default:
        return {};
    }
  }

  /** Sends what SendMessage was given. */
  take(given: TextArguments): PhoneMessage {
    const message = readDocument('message', given.MessageToSend ?? '', { device: udn, action: 'SendMessage' });
    const sent: PhoneMessage = { ...message, messageId: `sent-${this.messages.length + 1}`, folder: 'Sent' };
    this.messages.push(sent);
    return sent;
  }
}
