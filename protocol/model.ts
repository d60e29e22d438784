// The shapes of REST, its live events and the dashboard. Agents do not use them.
import type { DeadLetterMessage } from './frames.ts';
import type {
  Attachment,
  Capabilities,
  FileInfo,
  MessageClass,
  MessageFolder,
  MessageStatus,
  Party,
  SessionClass,
  SessionStatus,
  Truncated,
} from './phone-model.ts';

/** `received` came from the phone; the others are states of a send. `unknown`: it may or may not have gone out. */
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
  /** The key of its conversation; absent within a session, and if the key is the addresses as they stand here. */
  conversation?: string;
  from: Party;
  to: Party[];
  subject: string | null;
  body: string | null;
  contentType: string;
  attachments: Attachment[];
  time: string;
  state: MessageState;
  stateReason?: string;
  /** False: no phone lists it now. It is kept here, and reading or deleting it does not reach a phone. */
  onPhone: boolean;
  /** The fields that were longer than a limit and were cut. */
  truncated?: Truncated;
}

/** Stations of a message. `api` to `phone` is the way of a send; `notify` is the phone's event of a received message. */
export const hopNames = ['api', 'store', 'hub', 'tunnel', 'agent', 'soap', 'phone', 'notify'] as const;

/** A message at a station, by the clock of that station. */
export interface Hop {
  hop: (typeof hopNames)[number];
  time: string;
  reason?: string;
}

/** The messages with the same people, or in the same session, newest first. */
export interface Conversation {
  /**
   * The session's `s_…`, or the correspondents, sorted and joined by a line feed: a number in its international form, other
   * addresses in lower case, what is neither as it stands.
   */
  key: string;
  /** One entry per person, with the spelling used last. */
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

/** A condition that disturbs work now, with a sentence for the household. */
export interface Trouble {
  /** A stable word for programs. */
  code: string;
  detail: string;
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
  /** Why the agent cannot carry its messages now. */
  trouble?: Trouble;
  /**
   * It was approved, and something that calls itself so came back at another address or with another description:
   * until somebody approves it again it counts as not approved.
   */
  changed?: PhoneChange;
  /** It came back at another address, and is certainly the approved one by its host name or network card. */
  moved?: PhoneMove;
}

/** Addresses on the household's network; both are the same where the description changed. */
export interface PhoneMove {
  from: string;
  to: string;
  time: string;
}

/** `id` identifies what was seen of the phone: an approval that names it does not cover anything seen later. */
export type PhoneChange = PhoneMove & { id: string };

/** An event of a phone that the cloud refused for good; the agent keeps it. */
export interface DeadLetter {
  id: string;
  /** `p_…`. */
  phone: string;
  /** When the agent stored it as a dead letter. */
  time: string;
  /** An error code. */
  code: string;
  reason: string;
  /** What happened at the phone: `message.put`, `session.put`, … */
  event: string;
  message?: DeadLetterMessage;
}

/** `always`: a message stays until the household deletes it. `like-the-phone`: it goes when the phone has deleted it. */
export const keepRules = ['always', 'like-the-phone'] as const;
export type KeepRule = (typeof keepRules)[number];

/** A decision that the cloud leaves to the household. */
export interface Question {
  /** `q_…`; changes with the numbers. */
  id: string;
  /** `missing-messages`: so many messages are gone from the phone that the cloud does not delete them unasked. */
  kind: 'missing-messages';
  phone: string;
  /** Number of messages that are missing from the phone. */
  count: number;
  /** Number of messages of the phone, missing ones included. */
  of: number;
  time: string;
}

export interface Home {
  id: string;
  name: string;
  online: boolean;
  /** Since when it is online or offline; null if no agent was ever here. */
  since: string | null;
  agent: { id: string; name: string; version?: string } | null;
  phones: Phone[];
  keep: KeepRule;
  /** Messages that are older are deleted; null: none. */
  keepDays: number | null;
  /** ISO 3166-1 alpha-2; null: not set. */
  country: string | null;
  questions: Question[];
  /** Why the cloud or the agent cannot work for the whole home now. */
  trouble?: Trouble;
  /** When data last passed in each direction (pings do not count); null if none has since the cloud started. */
  flow?: { fromPhones: string | null; toPhones: string | null };
  /** How many dead letters the agent keeps; absent while it is away, or where it cannot be asked for them. */
  deadLetters?: number | undefined;
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
  /** Something else of the home changed (setting, question, approval, trouble): read the home again. */
  | { type: 'home.updated'; data: { home: string } }
);
export type HomeEventType = HomeEvent['type'];
