// The seam between routes and homes: a map of hubs in one process, a Durable Object per home on Workers.
import { type ActionName, actions } from '../../protocol/actions.ts';
import type { GatewayError } from '../../protocol/errors.ts';
import type { AgentHop, DeadLetterOutcome } from '../../protocol/frames.ts';
import type { DeadLetter, Home, HomeEvent, Message, Phone } from '../../protocol/model.ts';
import type { MessageRecord } from '../store/message-store.ts';
import type { Page, PageRequest } from '../store/page.ts';
import type { Write } from '../store/store.ts';

export interface PhoneCall {
  /** `p_…`. */
  phone: string;
  action: ActionName;
  /** `text`: the exact UPnP strings. `model`: XML documents as their models. Both ways. */
  form: 'text' | 'model';
  arguments: Readonly<Record<string, unknown>>;
  /** How long the agent may take; 30,000 unless told. */
  deadlineMs?: number | undefined;
  /** `m_…` of the message that MessageID means: phones reuse MessageIDs, and the agent acts on no other message. */
  message?: string | undefined;
  /** For an action that must not happen twice: the agent answers a repeated key with the first outcome. */
  key?: string | undefined;
  /** Of the HTTP request, for the logs of cloud and agent. */
  requestId?: string | undefined;
}

export interface CallAnswer {
  /** Exactly the out-arguments of the action, checked against its table and models. */
  arguments: Record<string, unknown>;
  /** `s_…` of the session that CreateSession made. */
  made?: string | undefined;
  /** Of SendMessage: the agent's part of the message's trace. */
  hops?: readonly AgentHop[] | undefined;
}

/** A refused or lost send still has its stored message; `error` is the reason. */
export interface SendOutcome {
  message: Message;
  error?: GatewayError | undefined;
}

/** The cursor of the watcher is too old to resume from: the watcher must load everything again. */
export interface Reset {
  type: 'reset';
  id: string;
}

/** `tokenEnded`: the token of the watcher was revoked or has expired. */
export type WatchEnd = 'tooSlow' | 'draining' | 'stopped' | 'lost' | 'tokenEnded';

/** The token that a watcher authenticated with. */
export interface WatchToken {
  id: string;
  /** Of the token's secret; the key in the store. */
  hash: string;
  /** Epoch milliseconds. */
  expiresAtMs: number | null;
}

/** A stream of a home's events, pulled by its reader. */
export interface Watch {
  /** The cursor to resume from if nothing was read yet. */
  readonly from: string;
  /** The next event; undefined once the watch has ended. */
  next(): Promise<HomeEvent | Reset | undefined>;
  /** Undefined while the watch is open. */
  readonly ended: WatchEnd | undefined;
  /** Resolves when the watch ends, also for a reader that is not waiting for the next event. */
  readonly closed: Promise<void>;
  stop(): void;
  end(reason: WatchEnd): void;
}

/** The operations of one home, wherever its hub runs. */
export interface HomeHandle {
  /** Undefined if there is no such home. */
  status(): Promise<Home | undefined>;
  /** @throws `not-found`, `phone-not-approved`, `home-offline`, `phone-offline`, or the error of the phone or its agent. */
  call(call: PhoneCall): Promise<CallAnswer>;
  /** Stores the writes and tells the watchers. */
  commit(writes: readonly Write[]): Promise<HomeEvent[]>;
  /**
   * Stores a send, then tries it. With `fail`, an absent home or phone throws and nothing is stored.
   * @throws `invalid-request` where the record names no phone and the home has several to choose from.
   */
  send(record: MessageRecord, ifOffline: 'queue' | 'fail', requestId?: string): Promise<SendOutcome>;
  /** Events after `after` without gap or repeat; from now on without it. The watch ends with its token. */
  watch(after: string | undefined, token: WatchToken): Promise<Watch>;
  /** Ends the watches of a token that was revoked. */
  endWatches(token: string): Promise<void>;
  /**
   * Answers the phone, or undefined if the home has none of that id; tells the agent. `change`: the id of the change
   * that the user was shown, if any.
   * @throws `conflict` where the phone has changed again since.
   */
  approve(phone: string, approved: boolean, change?: string): Promise<Phone | undefined>;
  /**
   * Events that the cloud refused for good and the agent keeps, newest first.
   * @throws `home-offline`, `agent-outdated`.
   */
  deadLetters(page: PageRequest): Promise<Page<DeadLetter>>;
  /**
   * Has the agent send a dead letter again or forget it.
   * @throws `home-offline`, `agent-outdated`, `not-found`.
   */
  settleDeadLetter(id: string, step: 'retry' | 'discard'): Promise<DeadLetterOutcome>;
  /** Closes the tunnel of an agent whose token was revoked. */
  dismiss(agent: string): Promise<void>;
}

export interface Hubs {
  /** The home is looked up by the first operation, not here. */
  home(id: string): HomeHandle;
}

export type HomeOperation = keyof HomeHandle;

/**
 * What a host does when the answer of an operation is lost and nobody knows whether the operation was done:
 * `repeat` asks once more; `tunnel-lost` tells the caller that it may ask again; `outcome-unknown` that it must not.
 */
export type LostAnswer = 'repeat' | 'tunnel-lost' | 'outcome-unknown';

/** One entry an operation: an operation that is missing here does not compile, and no host can be asked for it. */
const lostAnswers: {
  readonly [Operation in HomeOperation]: LostAnswer | ((...args: Parameters<HomeHandle[Operation]>) => LostAnswer);
} = {
  status: 'repeat',
  // The agent needs seconds to connect again, so a call that is repeated at once would only find the home offline.
  call: ({ action, key }) => (actions[action].repeatable || key !== undefined ? 'tunnel-lost' : 'outcome-unknown'),
  commit: 'repeat',
  // Under the same id a message is stored once, and sent under its key.
  send: 'repeat',
  watch: 'repeat',
  endWatches: 'repeat',
  approve: 'repeat',
  deadLetters: 'repeat',
  // A second one would not find the letter that the first has settled.
  settleDeadLetter: 'tunnel-lost',
  dismiss: 'repeat',
};

export function isHomeOperation(name: string): name is HomeOperation {
  return Object.hasOwn(lostAnswers, name);
}

export function lostAnswerOf(operation: HomeOperation, args: readonly unknown[]): LostAnswer {
  const rule = lostAnswers[operation];
  return typeof rule === 'function' ? Reflect.apply(rule, undefined, args) : rule;
}

/** A handle that passes each operation on to `invoke` by its name. */
export function homeHandle(
  invoke: (operation: HomeOperation, args: readonly unknown[]) => Promise<unknown>,
): HomeHandle {
  return new Proxy({} as HomeHandle, {
    get: (_, name) => {
      if (typeof name === 'string' && isHomeOperation(name)) return (...args: unknown[]) => invoke(name, args);
      return undefined;
    },
  });
}

/** The other end of `homeHandle`. */
export function invokeOperation(
  home: HomeHandle,
  operation: HomeOperation,
  args: readonly unknown[],
): Promise<unknown> {
  return Reflect.apply(home[operation], home, args);
}
