// One Durable Object per home: the hub between the hibernating sockets of its agent and its watchers. What must survive
// eviction is in the sockets' attachments and in the store; of its own storage it uses the alarm alone.
import { DurableObject } from 'cloudflare:workers';
import { closeCodes, heartbeat, subprotocol } from '../../protocol/frames.ts';
import { HomeHub } from '../hub/home-hub.ts';
import type { Log, Observer } from '../hub/hub-deps.ts';
import { invokeOperation, isHomeOperation, type WatchToken } from '../hub/hubs.ts';
import type { Link, SocketAttachment } from '../hub/link.ts';
import type { Tunnel } from '../hub/tunnel.ts';
import { isOver, watchCloseCode } from '../hub/watchers.ts';
import { textOfEvent } from '../store/event-text.ts';
import { interceptStore } from '../store/intercept.ts';
import type { Store } from '../store/store.ts';
import { movedError, type RpcResult, toRpcResult } from './rpc-result.ts';
import { ObjectDeadlines } from './worker-deadlines.ts';
import type { RemoteHome } from './worker-hubs.ts';
import type { SharedStore } from './worker-store.ts';
import { fromHeader, watchTokenOf } from './worker-watch.ts';

/** Below the 100 seconds after which proxies cut idle connections. */
const heartbeatMs = 45_000;
/** Heartbeats that an agent may miss. */
const heartbeatsMissed = 2.5;

/** Survives hibernation with a tunnel's socket. */
interface TunnelAttachment extends SocketAttachment {
  /** Epoch milliseconds. */
  acceptedMs: number;
}

/**
 * How long a watcher's token is trusted before the next event looks it up again. Revocations end watches at once
 * (`endWatches`); the look-up is for one that was lost, or made in the table itself. At 4 s it was a read an event.
 */
const tokenCheckMs = 300_000;

/** Survives hibernation with a watcher's socket. */
interface WatcherAttachment extends WatchToken {
  /** When the token was last looked up, epoch milliseconds. */
  goodMs: number;
}

const tags = { tunnel: 'tunnel', watcher: 'watcher' } as const;

/** What an object needs beside its runtime. */
export interface HomeObjectDeps {
  readonly store: SharedStore;
  readonly log: Log;
}

/** In memory from the first event after a wake-up to the next hibernation or eviction. */
interface AwakeHome {
  hub: HomeHub;
  tunnels: Map<WebSocket, Tunnel>;
  /** How to stop the watch that feeds the socket. */
  watchers: Map<WebSocket, () => void>;
}

export abstract class HomeObjectBase<Env> extends DurableObject<Env> implements Pick<RemoteHome, 'invoke'> {
  readonly #deadlines = new ObjectDeadlines(this.ctx.storage);
  readonly #receivedMs = new WeakMap<WebSocket, number>();
  #awake: Promise<AwakeHome> | undefined;
  #checkedAbsence: Promise<void> | undefined;

  protected abstract deps(): HomeObjectDeps;

  override async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const awake = await this.#wake();
    return url.pathname === '/tunnel' ? this.#acceptTunnel(awake, url) : this.#acceptWatcher(awake, url);
  }

  override async webSocketMessage(socket: WebSocket, message: string | ArrayBuffer): Promise<void> {
    if (typeof message !== 'string') {
      socket.close(1003, 'text only');
      return;
    }
    this.#receivedMs.set(socket, Date.now());
    let awake: AwakeHome;
    try {
      awake = await this.#wake();
    } catch (error) {
      // The frame is lost. Closing makes the agent reconnect and send it again.
      this.deps().log.warn('home.not-awake', { home: this.ctx.id.name, error: String(error) });
      socket.close(1011, 'the cloud is not ready');
      return;
    }
    awake.tunnels.get(socket)?.receive(message);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    await this.#detach(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    await this.#detach(socket);
  }

  /** A long deadline, possibly set before an eviction: the hub finds in the store what is due. */
  override async alarm(): Promise<void> {
    const { hub } = await this.#wake();
    this.#deadlines.fireDue();
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
    const awake = await this.#awake?.catch(() => undefined);
    await awake?.hub.endWatches(token);
    for (const socket of this.#openSockets(tags.watcher)) {
      if (watcherAttachmentOf(socket)?.id === token) socket.close(closeCodes.tokenEnded, 'tokenEnded');
    }
  }

  /** The hub for a request, after a check of who is still connected. */
  async #hub(): Promise<HomeHub> {
    const { hub, tunnels } = await this.#wake();
    await this.#closeSilent(hub, tunnels);
    if (tunnels.size === 0) {
      // A deploy closes sockets without a close event.
      this.#checkedAbsence ??= hub.start().catch((error) => {
        this.#checkedAbsence = undefined;
        throw error;
      });
      await this.#checkedAbsence;
    }
    return hub;
  }

  #wake(): Promise<AwakeHome> {
    this.#awake ??= this.#rebuild().catch((error) => {
      this.#awake = undefined;
      throw error;
    });
    return this.#awake;
  }

  async #rebuild(): Promise<AwakeHome> {
    const { log, store } = this.deps();
    const home = this.ctx.id.name;
    if (home === undefined) throw new Error('This object was not asked for by the name of a home.');
    this.#deadlines.resume(await this.ctx.storage.getAlarm());
    const deps = {
      store: keepingAwake(await store.open(), this.ctx),
      clock: Date,
      deadlines: this.#deadlines,
      log,
      observer: noObserver,
      heartbeatMs,
    };
    const [newest, ...replaced] = this.#openSockets(tags.tunnel)
      .map((socket) => ({ socket, attachment: tunnelAttachmentOf(socket) }))
      .sort((one, other) => other.attachment.acceptedMs - one.attachment.acceptedMs);
    for (const { socket } of replaced) socket.close(closeCodes.replaced, 'another connection of this home took over');
    const hub = new HomeHub(home, deps, newest?.attachment);
    const awake: AwakeHome = { hub, tunnels: new Map(), watchers: new Map() };
    if (newest !== undefined) {
      const { socket, attachment } = newest;
      awake.tunnels.set(socket, hub.resume(linkOf(socket, attachment.acceptedMs), attachment));
    }
    // No event happened during hibernation (an event wakes the object), so watchers go on from now.
    for (const socket of this.#openSockets(tags.watcher)) {
      const attachment = watcherAttachmentOf(socket);
      // An earlier version kept no token with the socket: its reader reconnects with one.
      if (attachment === undefined) socket.close(1001, 'draining');
      else await this.#feed(awake, socket, undefined, attachment);
    }
    return awake;
  }

  #openSockets(tag: string): WebSocket[] {
    return this.ctx.getWebSockets(tag).filter((socket) => socket.readyState === WebSocket.OPEN);
  }

  #acceptTunnel({ hub, tunnels }: AwakeHome, { searchParams }: URL): Response {
    const { 0: outer, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket, [tags.tunnel]);
    // The runtime answers without waking the object.
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

  async #acceptWatcher(awake: AwakeHome, { searchParams }: URL): Promise<Response> {
    const { 0: outer, 1: socket } = new WebSocketPair();
    this.ctx.acceptWebSocket(socket, [tags.watcher]);
    // The Worker looks the token up after the watch is open.
    const attachment: WatcherAttachment = { ...watchTokenOf(searchParams), goodMs: Date.now() };
    socket.serializeAttachment(attachment);
    const from = await this.#feed(awake, socket, searchParams.get('after') ?? undefined, attachment);
    return new Response(null, { status: 101, webSocket: outer, headers: { [fromHeader]: from } });
  }

  /** Sends the home's events to a watcher's socket; answers the cursor that they begin after. */
  async #feed(
    { hub, watchers }: AwakeHome,
    socket: WebSocket,
    after: string | undefined,
    attachment: WatcherAttachment,
  ): Promise<string> {
    const watch = await hub.watch(after, attachment);
    watchers.set(socket, () => watch.stop());
    const isGood = this.#tokenCheck(socket, attachment);
    const pump = async () => {
      for (let event = await watch.next(); event !== undefined; event = await watch.next()) {
        if (!(await isGood())) watch.end('tokenEnded');
        if (watch.ended !== undefined) return;
        socket.send(textOfEvent(event));
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
  #tokenCheck(socket: WebSocket, { goodMs, ...token }: WatcherAttachment): () => Promise<boolean> {
    let lastMs = goodMs;
    return async () => {
      if (isOver(token, Date.now())) return false;
      if (Date.now() - lastMs < tokenCheckMs) return true;
      const store = await this.deps().store.open();
      if ((await store.tokens.find(token.hash)) === undefined) return false;
      lastMs = Date.now();
      const attachment: WatcherAttachment = { ...token, goodMs: lastMs };
      if (socket.readyState === WebSocket.OPEN) socket.serializeAttachment(attachment);
      return true;
    };
  }

  async #detach(socket: WebSocket): Promise<void> {
    // Without a hub there is nothing to detach: the next wake-up finds the socket closed.
    const awake = await this.#wake().catch(() => undefined);
    if (awake === undefined) return;
    const { hub, tunnels, watchers } = awake;
    watchers.get(socket)?.();
    watchers.delete(socket);
    const tunnel = tunnels.get(socket);
    tunnels.delete(socket);
    if (tunnel !== undefined) await hub.detach(tunnel);
  }

  /** No timer watches for silent connections: it would keep the object in memory. Requests check instead. */
  async #closeSilent(hub: HomeHub, tunnels: AwakeHome['tunnels']): Promise<void> {
    for (const [socket, tunnel] of tunnels) {
      if (socket.readyState !== WebSocket.OPEN) continue;
      const answered = this.ctx.getWebSocketAutoResponseTimestamp(socket)?.getTime() ?? 0;
      const signMs = Math.max(answered, this.#receivedMs.get(socket) ?? 0, tunnelAttachmentOf(socket).acceptedMs);
      if (Date.now() - signMs <= heartbeatsMissed * heartbeatMs) continue;
      tunnel.close(closeCodes.silent, 'no heartbeat');
      tunnels.delete(socket);
      await hub.detach(tunnel);
    }
  }
}

function tunnelAttachmentOf(socket: WebSocket): TunnelAttachment {
  return socket.deserializeAttachment();
}

function watcherAttachmentOf(socket: WebSocket): WatcherAttachment | undefined {
  const attachment: (WatchToken & Partial<WatcherAttachment>) | null = socket.deserializeAttachment();
  return attachment === null ? undefined : { goodMs: 0, ...attachment };
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

/** The same store; each operation keeps the object in memory until it is answered. */
function keepingAwake(store: Store, ctx: DurableObjectState): Store {
  return interceptStore(store, (_, call) => {
    const answer = call();
    if (answer instanceof Promise) ctx.waitUntil(answer.catch(() => undefined));
    return answer;
  });
}

/** On Workers, Workers Metrics and Logpush count instead. */
const noObserver: Observer = {
  call: () => undefined,
  event: () => undefined,
  tunnel: () => undefined,
  watcher: () => undefined,
};
