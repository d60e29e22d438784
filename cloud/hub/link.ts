// A tunnel's socket as the hub sees it, and the attachment that survives the hub's hibernation.
import type { TunnelFeature } from '../../protocol/features.ts';
import type { EdgeFrame, FrameOf } from '../../protocol/frames.ts';
import type { Trouble } from '../../protocol/model.ts';
import type { PhoneRecord } from '../store/phone-store.ts';

/** An agent, by its token. */
export interface AgentIdentity {
  id: string;
  name: string;
  /** Whether phones that the agent's configuration trusts count as approved. */
  mayApprove: boolean;
}

/** The numbers that come with the agent's list of phones. */
export type AgentCounts = Omit<FrameOf<EdgeFrame, 'phones'>, 'type' | 'phones'>;

/**
 * What a hub must know of its socket after an eviction. Stays far below 16 KiB. Attachments of earlier versions lack
 * fields and have others: earlier-versions.ts.
 */
export interface SocketAttachment {
  agent: { id: string; name: string; version?: string };
  /** As in AgentIdentity; absent from attachments of earlier versions, whose agents then approve nothing. */
  mayApprove?: boolean;
  /** Null before `hello`. */
  bootId: string | null;
  /** The features that both ends have. Absent before `hello`. */
  features?: readonly TunnelFeature[] | undefined;
  /** Everything up to here is stored. */
  ackedSeq: number;
  /** `p_…` of the phones that are online. */
  online: string[];
  /** All phones of the home, so that the hub need not read them after eviction. Absent while unknown or too many. */
  phones?: readonly PhoneRecord[] | undefined;
  /** What is wrong with phones now, by `p_…`. */
  troubles?: Readonly<Record<string, Trouble>> | undefined;
  /** Absent from attachments of earlier versions. */
  lastActivity?: LastActivity;
  /** When the link was last probed, or made: epoch milliseconds. Absent as `lastActivity` is. */
  probedMs?: number;
  /** Absent before the first `phones`. */
  counts?: AgentCounts | undefined;
}

/** When data last passed in each direction, epoch milliseconds; null before the first. */
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
  /** Stops or resumes reading, so that the agent's frames wait at its own end; not every host can. */
  pause?: ((isPaused: boolean) => void) | undefined;
}
