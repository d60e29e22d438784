// The seam to where messages come from and go to: a SIM card, a SIP account, a mail account, or the demonstration.
import type {
  Capabilities,
  FileInfo,
  MessageClass,
  Party,
  PhoneMessage,
  PhoneSession,
  SessionClass,
} from '../../../protocol/phone-model.ts';

/** What happens to a session of ours on the line's side. */
export type LineSessionStep = 'created' | 'accepted' | 'modified' | 'joined' | 'left' | 'closed';

/**
 * A line that cannot be reached now rejects with any error, and is asked again later; what it can never do it says
 * beforehand, by its capabilities and `reaches`.
 */
export interface Line {
  readonly capabilities: Capabilities;
  /** People whom the phone's own page proposes as senders, where the line knows some. */
  readonly correspondents?: readonly Party[];
  start(events: LineEvents): Promise<void>;
  stop(): Promise<void>;
  /** Whether an address can be written to in a class at all. */
  reaches(address: string, messageClass: MessageClass | SessionClass): boolean;
  /**
   * Takes a message to deliver. It may be handed over twice, when the phone stopped before it noted the first time:
   * a line that can tell by the messageId delivers once.
   */
  send(message: PhoneMessage): Promise<void>;
  /** A session that we take part in took a step on our side; `recipients` in it show whom it concerns. */
  step(session: PhoneSession, step: LineSessionStep): Promise<void>;
  /** Takes a file for the session's recipients. */
  sendFile(file: FileInfo, bytes: Uint8Array): Promise<void>;
  /** The bytes of a file that was offered to us. */
  fetchFile(file: FileInfo): Promise<Uint8Array>;
}

export interface ArrivedMessage {
  readonly messageClass: MessageClass;
  readonly from: Party;
  readonly body: string;
  readonly subject?: string;
  /** `text/plain` unless told. */
  readonly contentType?: string;
  readonly sessionId?: string;
  /** Now, unless told. Epoch milliseconds. */
  readonly timeMs?: number;
}

export interface SessionOffer {
  readonly sessionClass: SessionClass;
  readonly initiator: Party;
  readonly subject?: string;
}

export interface FileOffer {
  readonly sessionId: string;
  readonly name: string;
  readonly contentType: string;
  readonly sizeBytes: number;
}

/** What a line tells the phone. Each resolves when it is on disk, so that a line may then forget it. */
export interface LineEvents {
  /** Answers the messageId. */
  arrived(message: ArrivedMessage): Promise<string>;
  /** Answers the sessionId of the session that now waits to be accepted. */
  offered(offer: SessionOffer): Promise<string>;
  joined(sessionId: string, party: Party): Promise<void>;
  left(sessionId: string, party: Party): Promise<void>;
  closed(sessionId: string): Promise<void>;
  /** Answers the fileId. */
  fileOffered(offer: FileOffer): Promise<string>;
}
