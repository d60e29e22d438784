// Hubs on Workers: each home is a Durable Object, asked by RPC, dialled and watched by WebSocket.
import { actions } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import type { DeadLetterOutcome } from '../../protocol/frames.ts';
import type { DeadLetter, Home, HomeEvent, Phone } from '../../protocol/model.ts';
import type { CallAnswer, Hubs, PhoneCall, SendOutcome, Watch, WatchToken } from '../hub/hubs.ts';
import type { AgentIdentity } from '../hub/link.ts';
import type { MessageRecord, Page, PageRequest, Write } from '../store/store.ts';
import { errorOf, type RpcResult, resultValue } from './rpc-result.ts';
import { RelayedWatch, watchAddress } from './worker-watch.ts';

/** What can be asked of a home's object (home-object.ts). */
export interface HomeOperations {
  status(): Promise<RpcResult<Home | undefined>>;
  call(call: PhoneCall): Promise<RpcResult<CallAnswer>>;
  commit(writes: readonly Write[]): Promise<RpcResult<HomeEvent[]>>;
  send(
    record: MessageRecord,
    ifOffline: 'queue' | 'fail',
    requestId?: string,
  ): Promise<RpcResult<SendOutcome['message']>>;
  approve(phone: string, approved: boolean, change?: string): Promise<RpcResult<Phone | undefined>>;
  deadLetters(page: PageRequest): Promise<RpcResult<Page<DeadLetter>>>;
  settleDeadLetter(id: string, step: 'retry' | 'discard'): Promise<RpcResult<DeadLetterOutcome>>;
  dismiss(agent: string): Promise<RpcResult<void>>;
  endWatches(token: string): Promise<void>;
}

/** The namespace of the homes' objects, as far as it is used here. */
export interface Homes {
  getByName(name: string): HomeOperations & { fetch(url: string, init?: RequestInit): Promise<Response> };
}

/** How long a new version of an object takes to be there, and its agent to come back. */
const comeBackMs = 2_000;

export class WorkerHubs implements Hubs {
  readonly #homes: Homes;

  constructor(homes: Homes) {
    this.#homes = homes;
  }

  async status(home: string): Promise<Home | undefined> {
    return resultValue(await this.#twice(home, (object) => object.status()));
  }

  async call(home: string, call: PhoneCall): Promise<CallAnswer> {
    let result: RpcResult<CallAnswer>;
    try {
      result = await this.#homes.getByName(home).call(call);
    } catch (cause) {
      throw lost(call, cause);
    }
    return resultValue(result);
  }

  async commit(home: string, writes: readonly Write[]): Promise<HomeEvent[]> {
    return resultValue(await this.#twice(home, (object) => object.commit(writes)));
  }

  async send(
    home: string,
    record: MessageRecord,
    ifOffline: 'queue' | 'fail',
    requestId?: string,
  ): Promise<SendOutcome> {
    // Under the same id nothing is stored or sent a second time: the agent answers with the first outcome.
    const { value, fault } = await this.#twice(home, (object) => object.send(record, ifOffline, requestId));
    const error = fault === undefined ? undefined : errorOf(fault);
    if (value !== undefined) return { message: value, error };
    throw error ?? new GatewayError('internal', 'The home’s object answered a send with nothing.');
  }

  async watch(home: string, after: string | undefined, token: WatchToken): Promise<Watch> {
    const watch = new RelayedWatch(await this.#upgrade(home, watchAddress(after, token)));
    watch.start();
    return watch;
  }

  async endWatches(home: string, token: string): Promise<void> {
    await this.#twice(home, (object) => object.endWatches(token));
  }

  async approve(home: string, phone: string, approved: boolean, change?: string): Promise<Phone | undefined> {
    return resultValue(await this.#twice(home, (object) => object.approve(phone, approved, change)));
  }

  async deadLetters(home: string, page: PageRequest): Promise<Page<DeadLetter>> {
    return resultValue(await this.#twice(home, (object) => object.deadLetters(page)));
  }

  /** Asked twice, the second would not find what the first has settled. */
  async settleDeadLetter(home: string, id: string, step: 'retry' | 'discard'): Promise<DeadLetterOutcome> {
    const result = await this.#homes
      .getByName(home)
      .settleDeadLetter(id, step)
      .catch((cause) => {
        throw isOverloaded(cause) ? tooMany(cause) : moved(cause);
      });
    return resultValue(result);
  }

  async dismiss(home: string, agent: string): Promise<void> {
    return resultValue(await this.#twice(home, (object) => object.dismiss(agent)));
  }

  /** An agent's socket: what it speaks with is the object itself, the Worker is out of it. */
  dial(home: string, { id, name, mayApprove }: AgentIdentity): Promise<Response> {
    return this.#upgrade(home, `/tunnel?${new URLSearchParams({ id, name, approves: String(mayApprove) })}`);
  }

  #upgrade(home: string, address: string): Promise<Response> {
    const headers = { upgrade: 'websocket' };
    return this.#twice(home, (object) => object.fetch(`https://home${address}`, { headers }));
  }

  /** For what may be done twice: an object that was replaced under its caller is asked once more, in its new life. */
  async #twice<Answer>(home: string, ask: (object: ReturnType<Homes['getByName']>) => Promise<Answer>) {
    try {
      return await ask(this.#homes.getByName(home));
    } catch (error) {
      if (isOverloaded(error)) throw tooMany(error);
      return await ask(this.#homes.getByName(home)).catch((cause) => {
        throw isOverloaded(cause) ? tooMany(cause) : moved(cause);
      });
    }
  }
}

/** The object went while a call was under way (deploy, crash, another machine): nobody will ever hear its answer. */
function lost(call: PhoneCall, cause: unknown): GatewayError {
  if (isOverloaded(cause)) return tooMany(cause);
  if (actions[call.action].repeatable || call.key !== undefined) return moved(cause);
  const detail = `The answer was lost. ${call.action} may or may not have happened: look before trying again.`;
  return new GatewayError('outcome-unknown', detail, { cause });
}

function moved(cause: unknown): GatewayError {
  const detail = 'The home’s connection is being moved: try again.';
  return new GatewayError('tunnel-lost', detail, { retryAfterMs: comeBackMs, cause });
}

function tooMany(cause: unknown): GatewayError {
  return new GatewayError('too-many-requests', 'This home is asked too much at once.', {
    retryAfterMs: comeBackMs,
    cause,
  });
}

/** The runtime's own mark: such an object must not be asked again at once. */
function isOverloaded(error: unknown): boolean {
  return error instanceof Error && 'overloaded' in error && error.overloaded === true;
}
