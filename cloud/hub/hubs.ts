// The seam between routes and homes: in one process a map of hubs, on Workers a Durable Object per home.
import type { ActionName } from '../../protocol/actions.ts';
import type { GatewayError } from '../../protocol/errors.ts';
import type { AgentHop, DeadLetterOutcome } from '../../protocol/frames.ts';
import type { DeadLetter, Home, HomeEvent, Message, Phone } from '../../protocol/model.ts';
import type { MessageRecord, Page, PageRequest, Write } from '../store/store.ts';

export interface PhoneCall {
  /** `p_…`. */
  phone: string;
  action: ActionName;
  /** `text`: the exact UPnP strings. `model`: XML documents as their models. Both ways. */
  form: 'text' | 'model';
  arguments: Readonly<Record<string, unknown>>;
  /** How long the agent may take; 30,000 unless told. */
  deadlineMs?: number | undefined;
  /** `m_…` of the message that the MessageID in the arguments means: the agent acts on no other. */
  message?: string | undefined;
  /** For what must not happen twice: the agent answers the same key with the first outcome. */
  key?: string | undefined;
  /** The request of which this is a part, for the logs of cloud and agent. */
  requestId?: string | undefined;
}

export interface CallAnswer {
  /** Exactly the out-arguments of the action, checked against its table and models. */
  arguments: Record<string, unknown>;
  /** `s_…` of the session that CreateSession made. */
  made?: string | undefined;
  /** Of SendMessage: its way within the house. */
  hops?: readonly AgentHop[] | undefined;
}

/** A send never vanishes: when it was refused or lost, the stored message comes with the reason. */
export interface SendOutcome {
  message: Message;
  error?: GatewayError | undefined;
}

/** The cursor of the watcher was too old: whatever it holds must be loaded anew. */
export interface Reset {
  type: 'reset';
  id: string;
}

/** `tokenEnded`: the token that the watcher came with was revoked or has expired. */
export type WatchEnd = 'tooSlow' | 'draining' | 'stopped' | 'lost' | 'tokenEnded';

/** The token that a watcher came with. */
export interface WatchToken {
  id: string;
  /** Of its secret, by which the store finds it. */
  hash: string;
  /** Epoch milliseconds. */
  expiresAtMs: number | null;
}

/** A stream of a home's events, pulled by its reader. */
export interface Watch {
  /** The point to resume from if nothing was read yet. */
  readonly from: string;
  /** The next event; undefined once the watch is over. */
  next(): Promise<HomeEvent | Reset | undefined>;
  /** Why it is over; undefined while it is not. */
  readonly ended: WatchEnd | undefined;
  /** Resolves when it is over, also for a reader that is not asking for the next event. */
  readonly closed: Promise<void>;
  stop(): void;
  end(reason: WatchEnd): void;
}

export interface Hubs {
  /** Undefined if there is no such home. */
  status(home: string): Promise<Home | undefined>;
  /** Throws `not-found`, `phone-not-approved`, `home-offline`, `phone-offline`, or what the phone or its agent said. */
  call(home: string, call: PhoneCall): Promise<CallAnswer>;
  /** Stores and tells the watchers. */
  commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]>;
  /**
   * Stores a send, then tries it. With `fail` an absent home or phone throws and nothing is stored; nor is it where the
   * record names no phone and it does not go without saying which is meant (`invalid-request`).
   */
  send(home: string, record: MessageRecord, ifOffline: 'queue' | 'fail', requestId?: string): Promise<SendOutcome>;
  /** Events after `after`, without gap or repeat; without it from now on. The watch ends with its token. */
  watch(home: string, after: string | undefined, token: WatchToken): Promise<Watch>;
  /** Ends the watches of a token that was revoked. */
  endWatches(home: string, token: string): Promise<void>;
  /**
   * Answers the phone, or undefined if there is none of that id; tells the agent. `change`: the id of the change that
   * was shown, if one was. Throws `conflict` where it is not the last any more.
   */
  approve(home: string, phone: string, approved: boolean, change?: string): Promise<Phone | undefined>;
  /** What the agent keeps that the cloud refused for good, newest first. Throws `home-offline` and `agent-outdated`. */
  deadLetters(home: string, page: PageRequest): Promise<Page<DeadLetter>>;
  /** Has the agent send a dead letter again or forget it; throws likewise, and `not-found`. */
  settleDeadLetter(home: string, id: string, step: 'retry' | 'discard'): Promise<DeadLetterOutcome>;
  /** Closes the tunnel of an agent whose token was revoked. */
  dismiss(home: string, agent: string): Promise<void>;
}
