// The hosted Messaging:2 service: decodes and encodes arguments by the table in protocol/actions.ts.
import {
  type ActionName,
  ANY,
  actions,
  type DocumentName,
  documentOf,
  isActionName,
  type StateVariable,
  type StateVariableName,
  stateVariables,
} from '../../protocol/actions.ts';
import type { ActionInput, ActionOutput, DocumentOf, Party } from '../../protocol/phone-model.ts';
import { isDiskFull } from '../../shared/node/sqlite-result.ts';
import { readDocument, writeDocument } from '../messaging/documents.ts';
import type { Caller, HostedService } from '../upnp/hosting/hosted-device.ts';
import type { EventedState, EventedVariable } from './evented-state.ts';
import type { Line } from './lines/line.ts';
import type { MessageActions } from './message-actions.ts';
import { refuse } from './refusal.ts';
import type { SendLimit } from './send-limit.ts';
import type { SessionActions } from './session-actions.ts';
import { type TransferActions, withUrl } from './transfer-actions.ts';

export interface MessagingServiceOptions {
  readonly messages: MessageActions;
  readonly sessions: SessionActions;
  readonly transfers: TransferActions;
  readonly evented: EventedState;
  readonly line: Line;
  readonly owner: Party;
  readonly sendLimit: SendLimit;
}

type Answered<Output> = { readonly [Name in keyof Output]: Readonly<Output[Name]> };
type Handlers = {
  readonly [Name in ActionName]: (
    given: ActionInput<Name>,
    caller: Caller,
  ) => Answered<ActionOutput<Name>> | Promise<Answered<ActionOutput<Name>>>;
};

export function messagingService(options: MessagingServiceOptions): HostedService {
  const handlers = handlersOf(options);
  return {
    serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
    serviceId: 'urn:upnp-org:serviceId:Messaging',
    path: 'messaging',
    actions,
    variables: stateVariables as Readonly<Record<string, StateVariable>>,
    valueOf: (variable) => options.evented.valueOf(variable as EventedVariable),
    invoke: async (name, given, caller) => {
      if (!isActionName(name)) throw new RangeError(`There is no handler for ${name}.`);
      const handle = handlers[name] as (given: unknown, caller: Caller) => unknown;
      try {
        return encode(name, await handle(decode(name, given), caller));
      } catch (error) {
        throw isDiskFull(error) ? refuse('no-room', error) : error;
      }
    },
  };
}

function handlersOf({ messages, sessions, transfers, line, owner, sendLimit }: MessagingServiceOptions): Handlers {
  return {
    GetTelephonyIdentity: () => ({ TelephonyIdentity: [owner] }),
    GetMessagingCapabilities: () => ({ SupportedCapabilities: line.capabilities }),
    GetNewMessages: async () => ({ NewMessages: await messages.takeNewMessages() }),
    SearchMessages: ({ MessageClass, MessageFolder, MessageStatus, SessionID }) => ({
      MessageList: messages.search({
        messageClass: wildcard(MessageClass),
        folder: wildcard(MessageFolder),
        status: wildcard(MessageStatus),
        sessionId: SessionID,
      }),
    }),
    ReadMessage: async ({ MessageID }) => ({ MessageRequested: await messages.read(MessageID) }),
    SendMessage: async ({ MessageToSend }, caller) => {
      sendLimit.count(caller.address, Date.now());
      return { MessageID: await messages.send(MessageToSend) };
    },
    DeleteMessage: ({ MessageID }) => done(messages.delete(MessageID)),
    CreateSession: async ({ SessionClass, SessionRecipients, Subject, SupportedContentType }) => ({
      SessionID: await sessions.create({
        sessionClass: SessionClass,
        recipients: SessionRecipients,
        subject: Subject,
        contentTypes: SupportedContentType,
      }),
    }),
    ModifySession: ({ SessionID, SessionRecipientsToAdd, SessionRecipientsToRemove, ...rest }) =>
      done(
        sessions.modify(SessionID, {
          add: SessionRecipientsToAdd,
          remove: SessionRecipientsToRemove,
          subject: rest.Subject,
          contentTypes: rest.SupportedContentType,
          sessionClass: rest.SessionClass,
        }),
      ),
    AcceptSession: ({ SessionID }) => done(sessions.accept(SessionID)),
    GetSessionUpdates: () => ({ SessionUpdates: sessions.takeUpdates() }),
    GetSessions: ({ SessionID, SessionClass, SessionStatus }) => ({
      SessionsList: sessions.search({
        sessionId: SessionID === ANY ? '' : SessionID,
        sessionClass: wildcard(SessionClass),
        status: wildcard(SessionStatus),
      }),
    }),
    JoinSession: ({ SessionID }) => done(sessions.join(SessionID)),
    LeaveSession: ({ SessionID }) => done(sessions.leave(SessionID)),
    CloseSession: ({ SessionID }) => done(sessions.close(SessionID)),
    StartFileTransfer: ({ FileInfoList }) => done(transfers.start(FileInfoList)),
    CancelFileTransfer: ({ SessionID }) => done(transfers.cancel(SessionID)),
    GetFileTransferSession: ({ SessionID }, { origin }) => ({
      FileInfoList: transfers.list(SessionID).map((file) => withUrl(file, origin)),
    }),
  };
}

async function done(work: Promise<void>): Promise<Record<string, never>> {
  await work;
  return {};
}

function wildcard(value: string): string {
  return value === ANY ? '' : value;
}

/** Decodes argument strings. An empty string is an empty list of parties; any other invalid document or entry is refused. */
function decode(name: ActionName, given: Readonly<Record<string, string>>): Record<string, unknown> {
  const table: Readonly<Record<string, StateVariableName>> = actions[name].in;
  const models: Record<string, unknown> = {};
  for (const [argument, variable] of Object.entries(table)) {
    const text = given[argument] ?? '';
    const document = documentOf(variable);
    if (document === undefined) models[argument] = text;
    else if (document === 'recipientsList' && text.trim() === '') models[argument] = [];
    else {
      try {
        models[argument] = readDocument(document, text, {
          device: 'the control point',
          action: name,
          onBadEntry: (error) => {
            throw error;
          },
        });
      } catch (cause) {
        throw refuse('invalid-document', cause);
      }
    }
  }
  return models;
}

/** Cache of written documents by model object: an identical object yields the same document. */
const written = new WeakMap<object, string>();

function encode(name: ActionName, models: unknown): Record<string, string> {
  const table: Readonly<Record<string, StateVariableName>> = actions[name].out;
  const texts: Record<string, string> = {};
  for (const [argument, variable] of Object.entries(table)) {
    const model = (models as Record<string, unknown>)[argument];
    const document = documentOf(variable);
    texts[argument] = document === undefined ? String(model) : write(document, model as DocumentOf<typeof document>);
  }
  return texts;
}

function write<Name extends DocumentName>(document: Name, model: DocumentOf<Name>): string {
  const known = written.get(model);
  if (known !== undefined) return known;
  const text = writeDocument(document, model);
  written.set(model, text);
  return text;
}
