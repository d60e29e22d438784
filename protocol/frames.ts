// The tunnel's frames, discriminated by `type`. README.md is the specification; this file is its types and schemas.
import { z } from 'zod';
import { actionNames } from './actions.ts';
import { limits } from './limits.ts';
import {
  capabilitiesSchema,
  fileInfoSchema,
  messageFolderSchema,
  partySchema,
  phoneMessageSchema,
  phoneSessionSchema,
  timeSchema,
} from './phone-model.ts';

export const subprotocol = 'homeline.v1';
export const protocolVersion = 1;
/** Exact texts, so that a hibernating host can answer without waking. */
export const heartbeat = { ping: 'ping', pong: 'pong' } as const;

/** WebSocket close codes of our own (RFC 6455 leaves 4000–4999 to applications). */
export const closeCodes = {
  /** Another connection of the same home took over: the agent waits at least 30 s before it dials. */
  replaced: 4001,
  /** The agent's token was revoked: the agent does not come back with it. */
  revoked: 4003,
  /** The other end broke the protocol beyond repair. */
  protocolError: 4400,
  /** No heartbeat in time. */
  silent: 4408,
  /** The watcher's token was revoked or has expired: the watcher does not come back with it. */
  tokenEnded: 4403,
  /** A watcher read too slowly: it comes back with the last event's id. */
  tooSlow: 4429,
} as const;

const udn = z.string().min(1).max(limits.identifierChars);
const callId = z.string().min(1).max(64);
const seq = z.int().min(1);
const code = z.string().max(64);
const words = z.string().max(limits.shortTextChars);
/** Names of features.ts, and of versions that this one does not know. */
const features = z.array(z.string().max(64)).max(64);

/** Tells a phone that comes back from another one that only takes its name. */
export const phoneEvidenceSchema = z.object({
  /** The IP address that sent the description. */
  address: z.string().max(limits.addressChars).optional(),
  /** Of the description's URL, as written: a name or an address. */
  host: z.string().max(limits.addressChars).optional(),
  /** Of the parts of the description that a restart does not change. */
  digest: z.string().max(64).optional(),
  /** The network card's address, where the agent can see it. */
  hardware: z.string().max(64).optional(),
});
export type PhoneEvidence = z.infer<typeof phoneEvidenceSchema>;

/** A phone that the agent sees now, or saw since it started. */
export const phonePresenceSchema = z.object({
  udn,
  name: z.string().max(limits.shortTextChars),
  deviceType: z.string().max(limits.identifierChars),
  address: z.string().max(limits.addressChars),
  online: z.boolean(),
  /** Advances when the phone was reset and gives known identifiers to other messages. */
  epoch: z.int().min(0),
  /** The agent's configuration names this phone as the household's, so the cloud approves it without asking. */
  trusted: z.boolean(),
  capabilities: capabilitiesSchema.optional(),
  /** Why the agent cannot carry this phone's messages now, in a sentence for the household. */
  trouble: z.object({ code, detail: words }).optional(),
  /** Absent from old agents: then the host in `address` decides. */
  evidence: phoneEvidenceSchema.optional(),
});
export type PhonePresence = z.infer<typeof phonePresenceSchema>;

const ofPhone = { udn, epoch: z.int().min(0) };
/** The stable identifier, minted by the end that saw the message or session first: `m_` or `s_` and a ULID. */
const messageKey = z.string().regex(/^m_[0-9A-HJKMNP-TV-Z]{26}$/);
const sessionKey = z.string().regex(/^s_[0-9A-HJKMNP-TV-Z]{26}$/);

/** A point that a message passed, and the time by that machine's clock. */
const hopSchema = z.object({ hop: z.enum(['agent', 'soap', 'phone']), time: timeSchema });
export type AgentHop = z.infer<typeof hopSchema>;

/** What happened at a phone. The agent keeps each event until the cloud has stored it. */
export const edgeEventSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('message.put'),
    ...ofPhone,
    id: messageKey,
    sessionKey: sessionKey.optional(),
    message: phoneMessageSchema,
    /** The agent's digest of the message, opaque to the cloud, which gives it back in `inventory`. */
    fingerprint: z.string().max(64),
    /** Found by comparing lists, not by the phone's own event. */
    recovered: z.literal(true).optional(),
    /** When the phone's event arrived that led to this one. */
    notified: timeSchema.optional(),
  }),
  /** The phone no longer lists the message. The cloud keeps it unless `requested` or `confirmed` is set. */
  z.object({
    type: z.literal('message.deleted'),
    ...ofPhone,
    id: messageKey,
    /** The household deleted it at the phone by a call. */
    requested: z.literal(true).optional(),
    /** A second complete list, at least ten minutes after the first, lacked it too. */
    confirmed: z.literal(true).optional(),
  }),
  z.object({ type: z.literal('session.put'), ...ofPhone, id: sessionKey, session: phoneSessionSchema }),
  z.object({ type: z.literal('file.progress'), ...ofPhone, sessionKey, file: fileInfoSchema }),
  /** The phone answered a probe after a quiet time. It proves that the path works, and is not stored. */
  z.object({ type: z.literal('phone.answered'), ...ofPhone }),
]);
export type EdgeEvent = z.infer<typeof edgeEventSchema>;

/** The event is parsed by itself (edgeEventSchema), so that a bad event costs a `term` and not its whole frame. */
export const sequencedEventSchema = z.object({ seq, time: timeSchema, event: z.unknown() });
export type SequencedEvent = z.infer<typeof sequencedEventSchema>;

/** What the cloud knows of one message of a phone: enough to tell new, changed and deleted messages apart. */
export const inventoryItemSchema = z.object({
  id: messageKey,
  messageId: z.string().max(limits.identifierChars),
  epoch: z.int().min(0),
  fingerprint: z.string().max(64),
  /** The phone's last list that the cloud heard of lacked it (`onPhone` is false). */
  absent: z.literal(true).optional(),
  /** The household deleted it: the agent does not report it again. */
  deleted: z.literal(true).optional(),
});
export type InventoryItem = z.infer<typeof inventoryItemSchema>;

const letterId = z.string().min(1).max(64);

/** An excerpt of a message that the cloud refused for good, by which people recognise it. */
const deadLetterMessageSchema = z.object({
  folder: messageFolderSchema,
  /** The other side. */
  with: partySchema.pick({ address: true, displayName: true }),
  subject: words.optional(),
  text: words,
  time: timeSchema,
});
export type DeadLetterMessage = z.infer<typeof deadLetterMessageSchema>;

/** An event that the cloud refused for good, with what a person needs to recognise it. */
export const deadLetterSchema = z.object({
  id: letterId,
  udn,
  /** When the agent moved it from the outbox to the dead letters. */
  time: timeSchema,
  code,
  reason: words,
  /** The event's type. */
  event: z.string().max(64),
  message: deadLetterMessageSchema.optional(),
});
export type DeadLetterNote = z.infer<typeof deadLetterSchema>;

/** The `arguments` that answer a list of dead letters. */
export const deadLetterPageSchema = z.object({ items: z.array(deadLetterSchema).max(200), next: letterId.optional() });
export type DeadLetterPage = z.infer<typeof deadLetterPageSchema>;

/** The `arguments` that answer a retry or a discard of one dead letter. */
export const deadLetterOutcomeSchema = z.discriminatedUnion('outcome', [
  /** The cloud has it now. */
  z.object({ outcome: z.literal('stored') }),
  /** The cloud refused it again: it is a dead letter under a new `id`. */
  z.object({ outcome: z.literal('refused'), code, reason: words }),
  /** It is in the outbox, and the cloud has not answered yet. */
  z.object({ outcome: z.literal('waiting') }),
  z.object({ outcome: z.literal('discarded') }),
  /** There is no such dead letter, or no longer. */
  z.object({ outcome: z.literal('gone') }),
]);
export type DeadLetterOutcome = z.infer<typeof deadLetterOutcomeSchema>;

export const edgeFrameSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('hello'),
    protocol: z.array(z.int()).min(1).max(16),
    software: z.string().max(256),
    /** Names the agent's outbox file: sequence numbers count within it. */
    bootId: z.string().min(1).max(64),
    /** The lowest sequence that the agent still holds, or the next one if it holds none. */
    firstSeq: seq,
    /** What the agent has of features.ts. */
    features: features.optional(),
  }),
  /** The complete list of phones, sent after `welcome` and at each change. */
  z.object({
    type: z.literal('phones'),
    phones: z.array(phonePresenceSchema).max(limits.phones),
    /** How many dead letters the agent keeps. */
    deadLetters: z.int().min(0).optional(),
  }),
  z.object({ type: z.literal('events'), events: z.array(sequencedEventSchema).min(1).max(limits.eventsPerFrame) }),
  z.object({
    type: z.literal('result'),
    id: callId,
    arguments: z.record(z.string(), z.unknown()),
    /** The stable identifier of the session that CreateSession made. */
    made: sessionKey.optional(),
    /** Of SendMessage: when the call arrived, when the phone got it, and when the phone answered. */
    hops: z.array(hopSchema).max(8).optional(),
  }),
  z.object({
    type: z.literal('failure'),
    id: callId,
    code,
    detail: words,
    upnpCode: z.int().optional(),
    upnpDescription: words.optional(),
  }),
  /** Asks what the cloud knows of a phone. The cloud answers with pages of `inventory`. */
  z.object({ type: z.literal('inventory'), udn, after: z.string().max(1024).optional() }),
  z.object({ type: z.literal('error'), code, detail: words }),
]);
export type EdgeFrame = z.infer<typeof edgeFrameSchema>;

export const cloudFrameSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('welcome'),
    protocol: z.int(),
    home: z.string(),
    /** Names the contents of the cloud's store: another value than before means that the cloud lost what it knew. */
    store: z.string(),
    time: timeSchema,
    heartbeatMs: z.int().min(100),
    limits: z.object({ frameChars: z.int().min(1024), eventsInFlight: z.int().min(1), callsInFlight: z.int().min(1) }),
    /** What the cloud has of features.ts. Absent from old clouds. */
    features: features.optional(),
  }),
  /** The phones whose messages may leave the LAN. Answers `phones`, and is sent again at each change. */
  z.object({
    type: z.literal('approvals'),
    approved: z.array(udn).max(limits.phones),
    /** By UDN, the evidence that the approval counts for: nothing of another phone with that UDN leaves the LAN. */
    evidence: z.record(z.string(), phoneEvidenceSchema).optional(),
  }),
  /** Everything up to and including `seq` is stored. */
  z.object({ type: z.literal('ack'), seq }),
  /** Not stored now: the agent sends from `seq` on again after `delayMs`. */
  z.object({ type: z.literal('nak'), seq, delayMs: z.int().min(0).max(300_000), reason: words }),
  /** Can never be stored: the agent moves it to its dead letters and goes on. */
  z.object({ type: z.literal('term'), seq, code, reason: words }),
  z.object({
    type: z.literal('call'),
    id: callId,
    udn,
    action: z.enum(actionNames as [string, ...string[]]),
    /** `text`: arguments are the exact UPnP strings. `model`: XML documents travel as their models. Both ways. */
    form: z.enum(['text', 'model']),
    arguments: z.record(z.string(), z.unknown()),
    /** Counted from arrival; the agent gives up then. */
    deadlineMs: z.int().min(1).max(120_000),
    /** For an action that must not happen twice: the same key gets the first outcome again. */
    key: z.string().min(1).max(64).optional(),
    /**
     * The message that the MessageID in the arguments means. The agent checks that the phone has this message under
     * that identifier, and otherwise fails with `not-on-phone` and calls nothing.
     */
    message: messageKey.optional(),
    /** The request to the cloud that the call belongs to, for the logs of both ends. */
    requestId: z
      .string()
      .regex(/^[\w-]{1,64}$/)
      .optional(),
  }),
  /** Lists the dead letters, newest first, or retries or discards one. Answered like a call. Feature `dead-letters`. */
  z.object({
    type: z.literal('dead-letters'),
    id: callId,
    request: z.discriminatedUnion('do', [
      z.object({ do: z.literal('list'), before: letterId.optional(), limit: z.int().min(1).max(200) }),
      z.object({ do: z.literal('retry'), letter: letterId }),
      z.object({ do: z.literal('discard'), letter: letterId }),
    ]),
    deadlineMs: z.int().min(1).max(120_000),
  }),
  /** No client waits for the call any more. */
  z.object({ type: z.literal('cancel'), id: callId }),
  z.object({
    type: z.literal('inventory'),
    udn,
    items: z.array(inventoryItemSchema).max(1000),
    next: z.string().max(1024).optional(),
  }),
  /** The cloud will close soon: the agent comes back after a random part of `spreadMs`. */
  z.object({ type: z.literal('drain'), spreadMs: z.int().min(0).max(3_600_000) }),
  z.object({ type: z.literal('error'), code, detail: words }),
]);
export type DeadLetterRequest = Extract<z.infer<typeof cloudFrameSchema>, { type: 'dead-letters' }>['request'];
export type CloudFrame = z.infer<typeof cloudFrameSchema>;

/** The frame of one type, or of several. */
export type FrameOf<Frame extends { type: string }, Type extends Frame['type']> = Extract<Frame, { type: Type }>;
