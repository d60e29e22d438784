// The seam to a carrier of messages: a SIM card, a SIP account, a mail account, or the demonstration.
import type {
  Capabilities,
  FileInfo,
  MessageClass,
  Party,
  PhoneMessage,
  PhoneSession,
  SessionClass,
} from '../../../protocol/phone-model.ts';

/** Steps of a session that the phone reports to the line. */
export type LineSessionStep = 'created' | 'accepted' | 'modified' | 'joined' | 'left' | 'closed';

/**
 * A line that is temporarily unreachable rejects with any error, and the call is retried; its capabilities and `reaches`
 * say beforehand what it can never do.
 */
export interface Line {
  readonly capabilities: Capabilities;
  /** Suggested senders for the phone's page, when the line knows any. */
  readonly correspondents?: readonly Party[];
  start(events: LineEvents): Promise<void>;
  stop(): Promise<void>;
  /** Whether an address is valid for a class. */
  reaches(address: string, messageClass: MessageClass | SessionClass): boolean;
  /**
   * Delivers a message. It may be called twice with the same message, when the phone stopped before recording the first
   * call: a line that deduplicates by messageId delivers once.
   */
  send(message: PhoneMessage): Promise<void>;
  /** A step of ours in a session; its `recipients` show who is affected. */
  step(session: PhoneSession, step: LineSessionStep): Promise<void>;
  /** Delivers a file to the session's recipients. */
  sendFile(file: FileInfo, bytes: Uint8Array): Promise<void>;
  /** The bytes of an offered file. */
  fetchFile(file: FileInfo): Promise<Uint8Array>;
}

export interface ArrivedMessage {
  readonly messageClass: MessageClass;
  readonly from: Party;
  readonly body: string;
  readonly subject?: string;
  /** Default `text/plain`. */
  readonly contentType?: string;
  readonly sessionId?: string;
  /** Epoch milliseconds; default now. */
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

/** Events from the line to the phone. Each resolves once on disk, so that the line may then drop it. */
export interface LineEvents {
  /** Resolves to the messageId. */
  arrived(message: ArrivedMessage): Promise<string>;
  /** Resolves to the sessionId of the Pending session. */
  offered(offer: SessionOffer): Promise<string>;
  joined(sessionId: string, party: Party): Promise<void>;
  left(sessionId: string, party: Party): Promise<void>;
  closed(sessionId: string): Promise<void>;
  /** Resolves to the fileId. */
  fileOffered(offer: FileOffer): Promise<string>;
}
