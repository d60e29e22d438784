// The domain model that wire, store, REST and dashboard speak: zod schemas and the types inferred from them.
// Every identifier and every address is an opaque string; times are ISO 8601 UTC with milliseconds.
import { z } from 'zod';
import type { actions, DocumentName, StateVariable, stateVariables } from './actions.ts';
import { messageClasses, messageFolders, messageStatuses, sessionClasses, sessionStatuses } from './actions.ts';
import { limits } from './limits.ts';

const identifier = z.string().max(limits.identifierChars);
const shortText = z.string().max(limits.shortTextChars);
const mimeType = z.string().max(255);
/** ISO 8601 UTC, as `Date.prototype.toISOString` writes it. */
export const timeSchema = z.iso.datetime({ precision: 3 });

export const messageClassSchema = z.enum(messageClasses);
export const messageFolderSchema = z.enum(messageFolders);
export const messageStatusSchema = z.enum(messageStatuses);
export const sessionClassSchema = z.enum(sessionClasses);
export const sessionStatusSchema = z.enum(sessionStatuses);

export type MessageClass = z.infer<typeof messageClassSchema>;
export type MessageFolder = z.infer<typeof messageFolderSchema>;
export type MessageStatus = z.infer<typeof messageStatusSchema>;
export type SessionClass = z.infer<typeof sessionClassSchema>;
export type SessionStatus = z.infer<typeof sessionStatusSchema>;

/** Whoever sends, receives or takes part. The address may be `+4915…`, `a@b.c`, `sip:…`, a short code, a name. */
export const partySchema = z.object({
  address: z.string().max(limits.addressChars),
  displayName: shortText.optional(),
  role: z.enum(['to', 'cc', 'bcc']).optional(),
  state: z.enum(['invited', 'joined', 'left']).optional(),
});
export type Party = z.infer<typeof partySchema>;

export const attachmentSchema = z.object({
  name: shortText,
  contentType: mimeType,
  sizeBytes: z.int().min(0),
  url: z.string().max(limits.urlChars).optional(),
  sha256: z.string().max(64).optional(),
});
export type Attachment = z.infer<typeof attachmentSchema>;

const parties = z.array(partySchema).max(limits.parties);
const attachments = z.array(attachmentSchema).max(limits.attachments);

/** A message as a phone holds it. `messageId` is the phone's own and may be reused after the phone was reset. */
export const phoneMessageSchema = z.object({
  messageId: identifier,
  messageClass: messageClassSchema,
  folder: messageFolderSchema,
  status: messageStatusSchema,
  sessionId: identifier.optional(),
  from: partySchema,
  to: parties,
  subject: shortText.optional(),
  contentType: mimeType,
  body: z.string().max(limits.bodyChars),
  /** The phone's list named the message without its content; ReadMessage fetches it, and marks it Read. */
  bodyOmitted: z.literal(true).optional(),
  attachments,
  time: timeSchema,
});
export type PhoneMessage = z.infer<typeof phoneMessageSchema>;

const classCapabilitySchema = z.object({
  messageClass: messageClassSchema,
  pageMode: z.boolean(),
  sessionMode: z.boolean(),
  maxBodyLength: z.int().min(0).optional(),
  maxRecipients: z.int().min(0).optional(),
  maxAttachmentBytes: z.int().min(0).optional(),
  contentTypes: z.array(mimeType).max(limits.parties),
});

export const capabilitiesSchema = z.object({
  classes: z.array(classCapabilitySchema).max(messageClasses.length * 2),
  sessionClasses: z.array(sessionClassSchema).max(sessionClasses.length),
  fileTransfer: z.boolean(),
});
export type Capabilities = z.infer<typeof capabilitiesSchema>;

/** A session as a phone holds it. */
export const phoneSessionSchema = z.object({
  sessionId: identifier,
  sessionClass: sessionClassSchema,
  status: sessionStatusSchema,
  subject: shortText.optional(),
  contentTypes: z.array(mimeType).max(limits.parties),
  initiator: partySchema.optional(),
  recipients: parties,
  startedAt: timeSchema.optional(),
  updatedAt: timeSchema.optional(),
});
export type PhoneSession = z.infer<typeof phoneSessionSchema>;

export const newMessageSchema = z.object({
  messageId: identifier,
  messageClass: messageClassSchema,
  sessionId: identifier.optional(),
  from: partySchema.optional(),
  time: timeSchema.optional(),
});
export type NewMessage = z.infer<typeof newMessageSchema>;

export const sessionChanges = [
  'created',
  'invited',
  'modified',
  'accepted',
  'joined',
  'left',
  'closed',
  'message',
  'file',
] as const;
export const sessionUpdateSchema = z.object({
  sessionId: identifier,
  status: sessionStatusSchema,
  change: z.enum(sessionChanges),
  time: timeSchema.optional(),
});
export type SessionUpdate = z.infer<typeof sessionUpdateSchema>;

export const fileInfoSchema = z.object({
  fileId: identifier,
  sessionId: identifier,
  name: shortText,
  contentType: mimeType,
  sizeBytes: z.int().min(0),
  url: z.string().max(limits.urlChars),
  direction: z.enum(['send', 'receive']),
  status: z.enum(['pending', 'transferring', 'completed', 'cancelled', 'failed']),
  transferredBytes: z.int().min(0),
});
export type FileInfo = z.infer<typeof fileInfoSchema>;

/** Each document inside an argument, by the name that actions.ts gives it. */
export const documentSchemas = {
  telephonyIdentity: z.array(partySchema).max(limits.parties),
  messagingCapabilities: capabilitiesSchema,
  newMessages: z.array(newMessageSchema),
  sessionUpdates: z.array(sessionUpdateSchema),
  message: phoneMessageSchema,
  messageList: z.array(phoneMessageSchema),
  recipientsList: parties,
  sessionInfo: phoneSessionSchema,
  sessionsList: z.array(phoneSessionSchema),
  fileInfoList: z.array(fileInfoSchema),
} as const satisfies Record<DocumentName, z.ZodType>;

export type DocumentOf<Name extends DocumentName> = z.infer<(typeof documentSchemas)[Name]>;

type ArgumentModel<Variable extends keyof typeof stateVariables> = (typeof stateVariables)[Variable] extends {
  readonly document: infer Name extends DocumentName;
}
  ? DocumentOf<Name>
  : string;
type ArgumentModels<Arguments extends Readonly<Record<string, keyof typeof stateVariables>>> = {
  -readonly [Name in keyof Arguments]: ArgumentModel<Arguments[Name]>;
};

/** An action's in-arguments with each XML document as its model. */
export type ActionInput<Name extends keyof typeof actions> = ArgumentModels<(typeof actions)[Name]['in']>;
/** An action's out-arguments with each XML document as its model. */
export type ActionOutput<Name extends keyof typeof actions> = ArgumentModels<(typeof actions)[Name]['out']>;
export type { StateVariable };

// What the cloud adds. These are the shapes of REST, its live events and the dashboard.

/** `received` came from the phone; the others are the life of a send; `unknown` means it may or may not have gone out. */
export const messageStates = ['received', 'queued', 'sending', 'sent', 'failed', 'unknown'] as const;
export type MessageState = (typeof messageStates)[number];

export interface Message {
  /** `m_…`, stable for ever. */
  id: string;
  /** The phone's own identifier; null until the phone has taken a send. */
  messageId: string | null;
  home: string;
  /** `p_…`; null while a send has not been given to a phone. */
  phone: string | null;
  messageClass: MessageClass;
  folder: MessageFolder;
  status: MessageStatus;
  /** `s_…`. */
  sessionId: string | null;
  from: Party;
  to: Party[];
  subject: string | null;
  body: string | null;
  contentType: string;
  attachments: Attachment[];
  time: string;
  state: MessageState;
  stateReason?: string;
}

/** Where a message can have been. `api` to `phone` is its way out; `notify` is the phone's own event of one that came in. */
export const hopNames = ['api', 'store', 'hub', 'tunnel', 'agent', 'soap', 'phone', 'notify'] as const;

/** A station of a message on its way, by the clock that was there. */
export interface Hop {
  hop: (typeof hopNames)[number];
  time: string;
  reason?: string;
}

/** All that was said with the same people (or in the same session), newest first. */
export interface Conversation {
  /** The session's `s_…`, or the correspondents' addresses, sorted and joined by a line feed. */
  key: string;
  parties: { address: string; displayName?: string }[];
  session: string | null;
  last: Message;
  unread: number;
}

export interface Session {
  /** `s_…`, stable for ever. */
  id: string;
  /** The phone's own identifier. */
  sessionId: string;
  home: string;
  phone: string;
  sessionClass: SessionClass;
  status: SessionStatus;
  subject: string | null;
  contentTypes: string[];
  initiator: Party | null;
  recipients: Party[];
  startedAt: string | null;
  updatedAt: string;
}

export interface Phone {
  /** `p_…`, stable for ever. */
  id: string;
  udn: string;
  name: string;
  deviceType: string;
  online: boolean;
  approved: boolean;
  /** Host and port on the household's network. */
  address: string;
  capabilities?: Capabilities;
}

/** What a message says that never reached the store: shortened, for people to know it by. */
export const deadLetterMessageSchema = z.object({
  folder: messageFolderSchema,
  /** The other side. */
  with: partySchema.pick({ address: true, displayName: true }),
  subject: shortText.optional(),
  text: shortText,
  time: timeSchema,
});

/** An event of a phone that the cloud refused for good; the agent keeps it. */
export interface DeadLetter {
  id: string;
  /** `p_…`. */
  phone: string;
  /** When it was put aside. */
  time: string;
  /** Of the list of error codes. */
  code: string;
  reason: string;
  /** What happened at the phone: `message.put`, `session.put`, … */
  event: string;
  message?: z.infer<typeof deadLetterMessageSchema>;
}

export interface Home {
  id: string;
  name: string;
  online: boolean;
  /** Since when it is online or offline; null if no agent was ever here. */
  since: string | null;
  agent: { id: string; name: string; version?: string } | null;
  phones: Phone[];
  /** When something last really passed, and not when a socket last pinged; null while nothing has since the cloud started. */
  flow?: { fromPhones: string | null; toPhones: string | null };
  /** How many dead letters the agent keeps; absent while it is away, or where it cannot be asked for them. */
  deadLetters?: number;
}

/** What a watcher receives: over SSE, over the WebSocket and in webhooks. `id` orders the events of one home. */
export type HomeEvent = { id: string; home: string; time: string } & (
  | { type: 'message.received' | 'message.updated'; data: Message & { recovered?: true } }
  | { type: 'message.deleted'; data: { id: string } }
  | { type: 'session.updated'; data: Session }
  | { type: 'file.progress'; data: FileInfo & { phone: string } }
  | { type: 'send.updated'; data: Message }
  | { type: 'phone.online' | 'phone.offline'; data: Phone }
  | { type: 'home.online' | 'home.offline'; data: { home: string; since: string } }
  /** A phone's approval or the number of dead letters changed: read the home anew. */
  | { type: 'home.updated'; data: { home: string } }
);
export type HomeEventType = HomeEvent['type'];
