// What the cloud makes of what phones hold: the shapes of REST, its live events and the dashboard. No agent knows them.
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
  /** The key of its conversation; absent within a session, and where it is the addresses as they stand here. */
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
  /** False: no phone lists it, or none any more. It is kept here, and read or deleted here alone. */
  onPhone: boolean;
  /** The fields that were longer than a limit and were cut. */
  truncated?: Truncated;
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
  /**
   * The session's `s_…`, or the correspondents, sorted and joined by a line feed: a number in its international form, other
   * addresses in lower case, what is neither as it stands.
   */
  key: string;
  /** One entry a person, in the spelling that they used last. */
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

/** What stands in the way now, and a sentence for the household. */
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
  /** What keeps the agent from carrying its messages now. */
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

/** `id` stands for what was seen of the phone: an approval that names it counts for nothing seen later. */
export type PhoneChange = PhoneMove & { id: string };

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
  message?: DeadLetterMessage;
}

/** `always`: a message stays until the household deletes it. `like-the-phone`: it goes when the phone has deleted it. */
export const keepRules = ['always', 'like-the-phone'] as const;
export type KeepRule = (typeof keepRules)[number];

/** What the cloud does not decide without the household. */
export interface Question {
  /** `q_…`; another one when the numbers have changed. */
  id: string;
  /** `missing-messages`: the phone no longer has so many of its messages that they are not deleted here unasked. */
  kind: 'missing-messages';
  phone: string;
  /** How many messages are missing from the phone, */
  count: number;
  /** of how many. */
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
  /** What keeps the cloud or the agent from working for the whole home now. */
  trouble?: Trouble;
  /** When something last really passed, and not when a socket last pinged; null while nothing has since the cloud started. */
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
  /** Something else of the home changed (a setting, a question, an approval, a trouble …): read the home again. */
  | { type: 'home.updated'; data: { home: string } }
);
export type HomeEventType = HomeEvent['type'];
