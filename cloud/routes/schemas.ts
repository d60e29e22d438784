// REST schemas as OpenAPI components; their types are in protocol/model.ts.
import { z } from '@hono/zod-openapi';
import { ANY } from '../../protocol/actions.ts';
import { limits } from '../../protocol/limits.ts';
import { hopNames, keepRules, messageStates } from '../../protocol/model.ts';
import {
  attachmentSchema,
  capabilitiesSchema,
  fileInfoSchema,
  messageClassSchema,
  messageFolderSchema,
  messageStatusSchema,
  newMessageSchema,
  type Party,
  partySchema,
  sessionClassSchema,
  sessionStatusSchema,
  sessionUpdateSchema,
  truncatedSchema,
} from '../../protocol/phone-model.ts';
import { firstControl } from '../../protocol/text.ts';

export const homeParam = z.object({ home: z.string() });
export const phoneParams = homeParam.extend({ phone: z.string() });
export const idParams = homeParam.extend({ id: z.string() });

export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(4096).optional(),
});

/** A query filter; absent, empty and `ANY` match everything. */
export function wildcard(values: readonly string[]) {
  return z
    .enum([...values, ANY, ''])
    .optional()
    .transform((value) => (value === ANY || value === '' ? undefined : value));
}

/** `true` or `false`; absent and empty match everything. */
export const flag = z
  .enum(['true', 'false', ''])
  .optional()
  .transform((value) => (value === undefined || value === '' ? undefined : value === 'true'));

export const textFilter = z
  .string()
  .max(4096)
  // XML cannot contain NUL, so no stored value does; SQLite would cut the filter at it.
  .refine((value) => !value.includes('\0'), 'holds a NUL')
  .optional()
  .transform((value) => (value === '' ? undefined : value));

/** One line of text, trimmed of blanks. A line break at either end is refused, like one in the middle. */
export function lineSchema(longest: number) {
  return z
    .string()
    .refine((value) => firstControl(value) === undefined, 'holds a line break or another control character')
    .trim()
    .min(1)
    .max(longest);
}

/** A recipient: an address, or a party with its role. */
export const recipientSchema = z
  .union([lineSchema(limits.addressChars), partySchema])
  .transform((given): Party => (typeof given === 'string' ? { address: given } : given));

/** A page of items, newest first. */
export function page<Schema extends z.ZodType>(item: Schema) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}

export const messageSchema = z
  .object({
    id: z.string(),
    messageId: z.string().nullable(),
    home: z.string(),
    phone: z.string().nullable(),
    messageClass: messageClassSchema,
    folder: messageFolderSchema,
    status: messageStatusSchema,
    sessionId: z.string().nullable(),
    conversation: z.string().optional(),
    from: partySchema,
    to: z.array(partySchema),
    subject: z.string().nullable(),
    body: z.string().nullable(),
    contentType: z.string(),
    attachments: z.array(attachmentSchema),
    time: z.string(),
    state: z.enum(messageStates),
    stateReason: z.string().optional(),
    onPhone: z
      .boolean()
      .describe('False: no phone has it (any more). It is kept here, and read or deleted here alone.'),
    truncated: truncatedSchema.optional().describe('The fields that were longer than a limit and were cut'),
  })
  .openapi('Message');

export const hopSchema = z
  .object({ hop: z.enum(hopNames), time: z.string(), reason: z.string().optional() })
  .openapi('Hop');

export const sessionSchema = z
  .object({
    id: z.string(),
    sessionId: z.string(),
    home: z.string(),
    phone: z.string(),
    sessionClass: sessionClassSchema,
    status: sessionStatusSchema,
    subject: z.string().nullable(),
    contentTypes: z.array(z.string()),
    initiator: partySchema.nullable(),
    recipients: z.array(partySchema),
    startedAt: z.string().nullable(),
    updatedAt: z.string(),
  })
  .openapi('Session');

/** What prevents delivery now, with a sentence for the household. */
const troubleSchema = z.object({ code: z.string(), detail: z.string() }).openapi('Trouble');

const phoneMoveSchema = z.object({ from: z.string(), to: z.string(), time: z.string() });

export const phoneSchema = z
  .object({
    id: z.string(),
    udn: z.string(),
    name: z.string(),
    deviceType: z.string(),
    online: z.boolean(),
    approved: z.boolean(),
    address: z.string(),
    capabilities: capabilitiesSchema.optional(),
    trouble: troubleSchema.optional().describe('What keeps the agent from carrying its messages now'),
    changed: phoneMoveSchema
      .extend({ id: z.string().describe('Stands for what was seen: approve with it') })
      .optional()
      .describe('It was approved, and came back elsewhere or as another device: approve it again if it is yours'),
    moved: phoneMoveSchema.optional().describe('It is elsewhere now, and certainly the one that was approved'),
  })
  .openapi('Phone');

export const questionSchema = z
  .object({
    id: z.string().describe('Another one when the numbers have changed'),
    kind: z.enum(['missing-messages']),
    phone: z.string(),
    count: z.int().describe('How many messages the phone no longer has'),
    of: z.int(),
    time: z.string(),
  })
  .openapi('Question');

export const homeSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    online: z.boolean(),
    since: z.string().nullable(),
    agent: z.object({ id: z.string(), name: z.string(), version: z.string().optional() }).nullable(),
    phones: z.array(phoneSchema),
    trouble: troubleSchema.optional().describe('What keeps the cloud or the agent from working for the whole home now'),
    keep: z
      .enum(keepRules)
      .describe('“like-the-phone”: a message that was deleted at the phone is deleted here; “always”: it stays'),
    keepDays: z.int().nullable().describe('Messages that are older are deleted; null: none'),
    country: z.string().nullable().describe('ISO 3166-1 alpha-2'),
    questions: z.array(questionSchema).describe('What the cloud does not decide without the household'),
    flow: z
      .object({ fromPhones: z.string().nullable(), toPhones: z.string().nullable() })
      .optional()
      .describe('When a message or event last really passed in each direction'),
    deadLetters: z.int().optional().describe('How many the agent keeps; absent while it cannot be asked'),
  })
  .openapi('Home');

export const conversationSchema = z
  .object({
    key: z.string(),
    parties: z.array(z.object({ address: z.string(), displayName: z.string().optional() })),
    session: z.string().nullable(),
    last: messageSchema,
    unread: z.int(),
  })
  .openapi('Conversation');

/** Messages that a phone reports as new, with the cloud's identifiers if they are known. */
export const arrivalSchema = newMessageSchema
  .extend({ id: z.string().nullable(), phone: z.string(), session: z.string().nullable() })
  .openapi('NewMessage');

export const changeSchema = sessionUpdateSchema
  .extend({ id: z.string().nullable(), phone: z.string() })
  .openapi('SessionUpdate');

export const partiesSchema = page(partySchema);
export const filesSchema = page(fileInfoSchema);
export { capabilitiesSchema };
