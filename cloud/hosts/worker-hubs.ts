// Hubs on Workers: each home is a Durable Object, asked by RPC; agents and watchers reach it by WebSocket.
import { type Effect, GatewayError } from '../../protocol/errors.ts';
import {
  type HomeHandle,
  type HomeOperation,
  type Hubs,
  homeHandle,
  lostAnswerOf,
  type Watch,
  type WatchToken,
} from '../hub/hubs.ts';
import type { AgentIdentity } from '../hub/link.ts';
import { movedError, type RpcResult, resultValue, returnMs } from './rpc-result.ts';
import { RelayedWatch, watchAddress } from './worker-watch.ts';

/** A home's object (home-object.ts), as far as the Worker calls it. */
export interface RemoteHome {
  invoke(operation: HomeOperation, args: readonly unknown[]): Promise<RpcResult<unknown>>;
  fetch(url: string, init?: RequestInit): Promise<Response>;
}

/** The namespace of the homes' objects, as far as the Worker uses it. */
export interface Homes {
  getByName(name: string): RemoteHome;
}

export class WorkerHubs implements Hubs {
  readonly #homes: Homes;

  constructor(homes: Homes) {
    this.#homes = homes;
  }

  home(id: string): HomeHandle {
    return homeHandle(async (operation, args) => {
      // A watch is a stream, which RPC cannot answer.
      if (operation === 'watch') return this.#watch(id, ...(args as Parameters<HomeHandle['watch']>));
      return resultValue(await this.#ask(id, operation, args, (object) => object.invoke(operation, args)));
    });
  }

  /** An agent's socket. It ends in the object, not in the Worker. */
  dial(home: string, { id, name, mayApprove }: AgentIdentity): Promise<Response> {
    return this.#upgrade(home, `/tunnel?${new URLSearchParams({ id, name, approves: String(mayApprove) })}`);
  }

  async #watch(home: string, after: string | undefined, token: WatchToken): Promise<Watch> {
    const watch = new RelayedWatch(await this.#upgrade(home, watchAddress(after, token)));
    watch.start();
    return watch;
  }

  #upgrade(home: string, address: string): Promise<Response> {
    const headers = { upgrade: 'websocket' };
    return this.#ask(home, 'watch', [], (object) => object.fetch(`https://home${address}`, { headers }));
  }

  /**
   * Asks the home's object. A deploy, a crash or a move to another machine replaces an object under its caller, and the
   * answer is lost; what then happens is in one table (`lostAnswerOf`). An object of another version that does not know
   * the operation counts as one that was replaced (docs/decisions/0006-workers.md).
   */
  async #ask<Answer>(
    home: string,
    operation: HomeOperation,
    args: readonly unknown[],
    ask: (object: RemoteHome) => Promise<Answer>,
  ): Promise<Answer> {
    const askOnce = () => ask(this.#homes.getByName(home));
    try {
      return await askOnce();
    } catch (cause) {
      if (isOverloaded(cause)) throw overloadError(cause);
      const lost = lostAnswerOf(operation, args);
      if (lost !== 'repeat') throw lost === 'tunnel-lost' ? movedError(cause) : unknownOutcome(cause);
    }
    try {
      return await askOnce();
    } catch (cause) {
      // The first ask may have been done although its answer was lost.
      throw isOverloaded(cause) ? overloadError(cause, 'pending') : movedError(cause);
    }
  }
}

function unknownOutcome(cause: unknown): GatewayError {
  const detail = 'The answer was lost. The action may or may not have happened: look before trying again.';
  return new GatewayError('outcome-unknown', detail, { cause });
}

function overloadError(cause: unknown, effect?: Effect): GatewayError {
  const detail = 'This home is asked too much at once.';
  return new GatewayError('too-many-requests', detail, { retryAfterMs: returnMs, effect, cause });
}

/** Cloudflare sets `overloaded` on the error: such an object must not be asked again at once. */
function isOverloaded(error: unknown): boolean {
  return error instanceof Error && 'overloaded' in error && error.overloaded === true;
}
