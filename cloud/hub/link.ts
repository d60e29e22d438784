// One end of a tunnel as the host sees it: a text socket, and a small note that survives the hub's hibernation.
import type { Trouble } from '../../protocol/model.ts';
import type { PhoneRecord } from '../store/store.ts';

/** An agent as its token tells of it. */
export interface AgentIdentity {
  id: string;
  name: string;
  /** Whether phones count as approved because the agent's own configuration trusts them. */
  mayApprove: boolean;
}

/** What a hub needs to know of its socket after it was evicted from memory. Stays far below 16 KiB. */
export interface SocketAttachment {
  agent: { id: string; name: string; version?: string };
  /** As in AgentIdentity; absent from notes of earlier versions, whose agents then approve nothing. */
  mayApprove?: boolean;
  /** Null before `hello`. */
  bootId: string | null;
  /** Whether the agent answers a `ping`. Absent where it does not. */
  pings?: true;
  /** Everything up to here is stored. */
  ackedSeq: number;
  /** `p_…` of the phones that are online. */
  online: string[];
  /** All phones of the home, so that its next life need not read them. Absent while they are unknown or too many. */
  phones?: readonly PhoneRecord[] | undefined;
  /** What is wrong with phones now, by `p_…`. */
  troubles?: Readonly<Record<string, Trouble>> | undefined;
  /** Absent from notes of earlier versions. */
  lastActivity?: LastActivity;
  /** When the way to the phones was last put to the proof, or the link came: epoch milliseconds. Absent as `flow` is. */
  probedMs?: number;
  /** Absent while the agent has not told, or where it cannot be asked for its dead letters. */
  deadLetters?: number | undefined;
}

/** When something last really passed, epoch milliseconds; null while nothing has. */
export interface LastActivity {
  fromPhonesMs: number | null;
  toPhonesMs: number | null;
}

export const noActivity: LastActivity = { fromPhonesMs: null, toPhonesMs: null };

export interface Link {
  send(text: string): void;
  close(code: number, reason: string): void;
  /** Keeps the attachment with the socket; a host that never hibernates may ignore it. */
  keep(attachment: SocketAttachment): void;
  /** Reads nothing more, or again, so that what the agent says waits at its own end; not every host can. */
  pause?: ((isPaused: boolean) => void) | undefined;
}
