// The data of a phone and its XML documents: zod schemas and the types inferred from them.
// Every identifier and every address is an opaque string; times are ISO 8601 UTC with milliseconds.
import { z } from 'zod';
import type { actions, DocumentName, stateVariables } from './actions.ts';
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

/** The sender, a recipient, or a participant of a session. The address may be `+4915…`, `a@b.c`, `sip:…`, a short code, a name. */
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

/** The fields of a message that can be cut. */
export const truncatableFields = ['from', 'to', 'subject', 'body', 'attachments'] as const;
export const truncatedSchema = z.object({ fields: z.array(z.enum(truncatableFields)).min(1) });
export type Truncated = z.infer<typeof truncatedSchema>;

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
  /** The phone's list has the message without its content. ReadMessage fetches the content and marks the message Read. */
  bodyOmitted: z.literal(true).optional(),
  attachments,
  time: timeSchema,
  /** The fields that were longer than a limit and were cut. */
  truncated: truncatedSchema.optional(),
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
