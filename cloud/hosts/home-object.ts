// One Durable Object per home: the hub between hibernating sockets of its agent and of its watchers.
// What must outlive it is in the sockets' attachments and in the store; of its own storage it uses the alarm alone.
import { DurableObject } from 'cloudflare:workers';
import { closeCodes, heartbeat, subprotocol } from '../../protocol/frames.ts';
import { HomeHub } from '../hub/home-hub.ts';
import type { Log, Observer } from '../hub/hub-deps.ts';
import { invokeOperation, isHomeOperation, type WatchToken } from '../hub/hubs.ts';
import type { Link, SocketAttachment } from '../hub/link.ts';
import type { Tunnel } from '../hub/tunnel.ts';
import { isOver, watchCloseCode } from '../hub/watchers.ts';
import { interceptStore } from '../store/intercept.ts';
import type { Store } from '../store/store.ts';
import { movedError, type RpcResult, toRpcResult } from './rpc-result.ts';
import { ObjectDeadlines } from './worker-deadlines.ts';
import type { RemoteHome } from './worker-hubs.ts';
import type { SharedStore } from './worker-store.ts';
import { fromHeader, watchTokenOf } from './worker-watch.ts';

/** Below the 100 seconds after which idle connections are cut on their way. */
const heartbeatMs = 45_000;
/** Heartbeats without a sign of life. */
const patience = 2.5;

/** What hibernation leaves with a tunnel's socket. */
interface TunnelNote extends SocketAttachment {
  /** Epoch milliseconds. */
  acceptedMs: number;
}

/**
 * How long a watcher's token is believed before an event has it looked up again. A revocation is told to this object at
 * once; the look-up is for one that was made past the API, or whose telling was lost. At 4 s it was a read an event.
 */
const believedMs = 300_000;

/** What hibernation leaves with a watcher's socket. */
interface WatchNote extends WatchToken {
  /** When the token was last known to be in use, epoch milliseconds. */
  goodMs: number;
}

const tags = { tunnel: 'tunnel', watcher: 'watcher' } as const;

/** What an object is made of; the rest it has from its runtime. */
export interface HomeObjectDeps {
  readonly store: SharedStore;
  readonly log: Log;
}

/** From the first event after the constructor to the next hibernation. */
interface Life {
  hub: HomeHub;
  tunnels: Map<WebSocket, Tunnel>;
  /** By the watch that feeds the socket, how to stop it. */
  watchers: Map<WebSocket, () => void>;
}

export abstract class HomeObjectBase<Env> extends DurableObject<Env> implements Pick<RemoteHome, 'invoke'> {
  readonly #deadlines = new ObjectDeadlines(this.ctx.storage);
  readonly #heardMs = new WeakMap<WebSocket, number>();
  #life: Promise<Life> | undefined;
  #settled: Promise<void> | undefined;

  protected abstract deps(): HomeObjectDeps;

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const life = await this.#live();
    return url.pathname === '/tunnel' ? this.#acceptTunnel(life, url) : this.#acceptWatcher(life, url);
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (typeof message !== 'string') {
      socket.close(1003, 'text only');
      return;
    }
    this.#heardMs.set(socket, Date.now());
    let life: Life;
    try {
      life = await this.#live();
    } catch (error) {
      // What was said is lost to us: the agent comes back and says it again.
      this.deps().log.warn('home.not-awake', { home: this.ctx.id.name, error: String(error) });
      socket.close(1011, 'the cloud is not ready');
      return;
    }
    life.tunnels.get(socket)?.receive(message);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    await this.#gone(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.#gone(socket);
  }

  /** A deadline of hours, perhaps of an earlier life: the hub finds in the store what is due. */
  override async alarm(): Promise<void> {
    const { hub } = await this.#live();
    this.#deadlines.ring();
    await hub.start();
  }

  /** The one method that the Worker calls by RPC (worker-hubs.ts). */
  async invoke(operation: string, args: readonly unknown[]): Promise<RpcResult<unknown>> {
    return toRpcResult(async () => {
      // From a Worker of another version; a watch is asked for by WebSocket.
      if (!isHomeOperation(operation) || operation === 'watch') throw movedError();
      // Without the hub, so that a store that does not answer keeps no watcher.
      if (operation === 'endWatches') return this.#endWatches(String(args[0]));
      return invokeOperation(await this.#hub(), operation, args);
    });
  }

  async #endWatches(token: string): Promise<void> {
    const life = await this.#life?.catch(() => undefined);
    await life?.hub.endWatches(token);
    for (const socket of this.#openSockets(tags.watcher)) {
      if (watchNoteOf(socket)?.id === token) socket.close(closeCodes.tokenEnded, 'tokenEnded');
    }
  }

  /** The hub as a request may ask it: it knows who is really there. */
  async #hub(): Promise<HomeHub> {
    const { hub, tunnels } = await this.#live();
    await this.#dropSilent(hub, tunnels);
    if (tunnels.size === 0) {
      // An agent that a deploy cut off left no word of its going.
      this.#settled ??= hub.start().catch((error) => {
        this.#settled = undefined;
        throw error;
      });
      await this.#settled;
    }
    return hub;
  }

  #live(): Promise<Life> {
    this.#life ??= this.#begin().catch((error) => {
      this.#life = undefined;
      throw error;
    });
    return this.#life;
  }

  async #begin(): Promise<Life> {
    const { log, store } = this.deps();
    const home = this.ctx.id.name;
    if (home === undefined) throw new Error('This object was not asked for by the name of a home.');
    this.#deadlines.inherit(await this.ctx.storage.getAlarm());
    const deps = {
      store: keepingAwake(await store.open(), this.ctx),
      clock: Date,
      deadlines: this.#deadlines,
      log,
      observer: uncounted,
      heartbeatMs,
    };
    const [newest, ...replaced] = this.#openSockets(tags.tunnel)
      .map((socket) => ({ socket, note: noteOf(socket) }))
      .sort((one, other) => other.note.acceptedMs - one.note.acceptedMs);
    for (const { socket } of replaced) socket.close(closeCodes.replaced, 'another connection of this home took over');
    const hub = new HomeHub(home, deps, newest?.note);
    const life: Life = { hub, tunnels: new Map(), watchers: new Map() };
    if (newest !== undefined) {
      const { socket, note } = newest;
      life.tunnels.set(socket, hub.resume(linkOf(socket, note.acceptedMs), note));
    }
    // Nothing happened while the object slept, or it would not have slept: they go on from now.
    for (const socket of this.#openSockets(tags.watcher)) {
      const note = watchNoteOf(socket);
      // A version before this one kept no token with it: its reader comes back with one.
      if (note === undefined) socket.close(1001, 'draining');
      else await this.#feed(life, socket, undefined, note);
    }
    return life;
  }

  #openSockets(tag: string): WebSocket[] {
    return this.ctx.getWebSockets(tag).filter((socket) => socket.readyState === WebSocket.OPEN);
  }

  #acceptTunnel({ hub, tunnels }: Life, { searchParams }: URL): Response {
    const { 0: outer, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket, [tags.tunnel]);
    // Answered by the runtime without waking the object.
    this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair(heartbeat.ping, heartbeat.pong));
    const agent = {
      id: searchParams.get('id') ?? '',
      name: searchParams.get('name') ?? '',
      mayApprove: searchParams.get('approves') === 'true',
    };
    tunnels.set(socket, hub.attach(linkOf(socket, Date.now()), agent));
    const headers = { 'sec-websocket-protocol': subprotocol };
    return new Response(null, { status: 101, webSocket: outer, headers });
  }

  async #acceptWatcher(life: Life, { searchParams }: URL): Promise<Response> {
    const { 0: outer, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket, [tags.watcher]);
    // The Worker looks the token up once the watch is open.
    const note: WatchNote = { ...watchTokenOf(searchParams), goodMs: Date.now() };
    socket.serializeAttachment(note);
    const from = await this.#feed(life, socket, searchParams.get('after') ?? undefined, note);
    return new Response(null, { status: 101, webSocket: outer, headers: { [fromHeader]: from } });
  }

  /** Sends the home's events to a watcher's socket; answers where they begin. */
  async #feed({ hub, watchers }: Life, socket: WebSocket, after: string | undefined, note: WatchNote): Promise<string> {
    const watch = await hub.watch(after, note);
    watchers.set(socket, () => watch.stop());
    const isGood = this.#tokenCheck(socket, note);
    const pump = async () => {
      for (let event = await watch.next(); event !== undefined; event = await watch.next()) {
        if (!(await isGood())) watch.end('tokenEnded');
        if (watch.ended !== undefined) return;
        socket.send(JSON.stringify(event));
      }
    };
    void pump()
      .catch((error) => this.deps().log.warn('watch.failed', { home: hub.id, error: String(error) }))
      .finally(() => {
        watch.stop();
        if (socket.readyState === WebSocket.OPEN) socket.close(watchCloseCode(watch.ended), watch.ended);
      });
    return watch.from;
  }

  /** Whether the token is in use. */
  #tokenCheck(socket: WebSocket, { goodMs, ...token }: WatchNote): () => Promise<boolean> {
    let lastMs = goodMs;
    return async () => {
      if (isOver(token, Date.now())) return false;
      if (Date.now() - lastMs < believedMs) return true;
      const store = await this.deps().store.open();
      if ((await store.tokens.find(token.hash)) === undefined) return false;
      lastMs = Date.now();
      const note: WatchNote = { ...token, goodMs: lastMs };
      if (socket.readyState === WebSocket.OPEN) socket.serializeAttachment(note);
      return true;
    };
  }

  async #gone(socket: WebSocket): Promise<void> {
    // An object that cannot wake has nobody to tell: its next life finds the socket gone.
    const life = await this.#live().catch(() => undefined);
    if (life === undefined) return;
    const { hub, tunnels, watchers } = life;
    watchers.get(socket)?.();
    watchers.delete(socket);
    const tunnel = tunnels.get(socket);
    tunnels.delete(socket);
    if (tunnel !== undefined) await hub.left(tunnel);
  }

  /** A connection that broke without a word is found out when somebody asks for the home: no timer watches over it. */
  async #dropSilent(hub: HomeHub, tunnels: Life['tunnels']): Promise<void> {
    for (const [socket, tunnel] of tunnels) {
      if (socket.readyState !== WebSocket.OPEN) continue;
      const answered = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
      const signMs = Math.max(answered, this.#heardMs.get(socket) ?? 0, noteOf(socket).acceptedMs);
      if (Date.now() - signMs <= patience * heartbeatMs) continue;
      tunnel.close(closeCodes.silent, 'no heartbeat');
      tunnels.delete(socket);
      await hub.left(tunnel);
    }
  }
}

function noteOf(socket: WebSocket): TunnelNote {
  return socket.deserializeAttachment();
}

function watchNoteOf(socket: WebSocket): WatchNote | undefined {
  const note: (WatchToken & Partial<WatchNote>) | null = socket.deserializeAttachment();
  return note === null ? undefined : { goodMs: 0, ...note };
}

function linkOf(socket: WebSocket, acceptedMs: number): Link {
  return {
    send: (text) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
    },
    close: (code, reason) => {
      if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
    },
    keep: (attachment) => {
      if (socket.readyState === WebSocket.OPEN) socket.serializeAttachment({ ...attachment, acceptedMs });
    },
  };
}

/** The same store; while it is asked, the object stays in memory, whoever asked. */
function keepingAwake(store: Store, ctx: DurableObjectState): Store {
  return interceptStore(store, (_, call) => {
    const answer = call();
    if (answer instanceof Promise) ctx.waitUntil(answer.catch(() => undefined));
    return answer;
  });
}

/** Workers count by their own means (Workers Metrics, Logpush). */
const uncounted: Observer = {
  call: () => undefined,
  event: () => undefined,
  tunnel: () => undefined,
  watcher: () => undefined,
};
