// The stateless Worker: API, dashboard, server-sent events, and the upgrade of tunnels. All state is elsewhere.
import { Access } from '../access/access.ts';
import { createApp } from '../app.ts';
import type { Deadlines, Log } from '../hub/hub-deps.ts';
import type { QuotaSettings } from '../routes/quota-settings.ts';
import type { CloudApp } from '../routes/route-kit.ts';
import type { Socket, SocketHandler } from '../routes/sockets.ts';
import { networkOf } from './client-network.ts';
import { assetsDashboard } from './worker-dashboard.ts';
import { type Homes, WorkerHubs } from './worker-hubs.ts';
import type { SharedStore } from './worker-store.ts';

const account = 'household';

export interface WorkerHostParts {
  store: SharedStore;
  homes: Homes;
  assets: Pick<Fetcher, 'fetch'>;
  log: Log;
  home: string;
  ownerToken: string;
  /** The public address; without it, any host name that Cloudflare routes here, by https. */
  baseUrl: string | undefined;
  quotas?: Partial<QuotaSettings>;
}

export class WorkerHost {
  readonly #parts: WorkerHostParts;
  readonly #access: Access;
  readonly #app: CloudApp;
  #ready: Promise<void> | undefined;

  constructor(deps: WorkerHostParts) {
    const { log } = deps;
    const { store } = deps.store;
    const clock = Date;
    const publicUrl = deps.baseUrl === undefined ? undefined : new URL(deps.baseUrl);
    const hubs = new WorkerHubs(deps.homes);
    const access = new Access({ store, clock });
    access.onRevoked = async ({ home, id, kind }) => {
      const homes = home === null ? await store.homes.idsOf(account) : [home];
      const handles = homes.map((each) => hubs.home(each));
      await Promise.all(handles.map((each) => (kind === 'agent' ? each.dismiss(id) : each.endWatches(id))));
    };
    this.#parts = deps;
    this.#access = access;
    this.#app = createApp({
      quotas: deps.quotas,
      store,
      hubs,
      access,
      clock,
      deadlines,
      log,
      serveAgent: async (home, agent) => new RelayedSocket(await hubs.dial(home, agent)),
      // Cloudflare routes only the Worker's own host names to it; a self-hosted workerd does not check them.
      isOurs: (hostname) => publicUrl === undefined || hostname === publicUrl.hostname,
      isSecure: () => publicUrl?.protocol !== 'http:',
      dashboard: assetsDashboard(deps.assets),
      onAnswer: (answer) => log.info('request', answer),
    });
  }

  async fetch(request: Request, ctx: Pick<ExecutionContext, 'waitUntil'>): Promise<Response> {
    const answer = this.#answer(request);
    // Other requests of this isolate may share a look-up: a client that hangs up must not cancel it.
    ctx.waitUntil(answer.catch(() => undefined));
    return answer;
  }

  async #answer(request: Request): Promise<Response> {
    if (needsStore(new URL(request.url).pathname)) await this.#prepared();
    // Cloudflare sets this header and removes the client's own.
    const client = request.headers.get('cf-connecting-ip');
    const about = client === null ? {} : { client: networkOf(client) };
    if (request.headers.get('upgrade')?.toLowerCase() !== 'websocket') {
      const answer = await this.#app.fetch(request, about);
      await readAway(request);
      return answer;
    }
    let handler: SocketHandler | undefined;
    const answer = await this.#app.fetch(request, {
      ...about,
      accept: (accepted: SocketHandler) => {
        handler = accepted;
      },
    });
    return handler === undefined ? answer : upgraded(handler);
  }

  /** Once in an isolate. After a failure each request fails by itself, and the next one tries again. */
  #prepared(): Promise<void> {
    const { store, home, ownerToken: presetToken, log } = this.#parts;
    const prepare = async () => {
      await store.open();
      const { isPresetRevoked } = await this.#access.ensureOwner({ account, home, presetToken });
      if (isPresetRevoked)
        log.warn('owner-token.preset-revoked', { whatToDo: 'wrangler secret put HOMELINE_OWNER_TOKEN' });
    };
    this.#ready ??= prepare().catch((error) => {
      this.#ready = undefined;
      log.error('worker.not-ready', { error: String(error) });
    });
    return this.#ready;
  }
}

/** How much of a refused body is read, so that its sender gets the answer. */
const readAwayBytes = 4 * 1024 * 1024;

/** Otherwise the connection closes while the client still writes, which proxies answer with 500. */
async function readAway({ body, bodyUsed }: Request): Promise<void> {
  if (body === null || bodyUsed || body.locked) return;
  let bytes = 0;
  try {
    for await (const chunk of body) {
      bytes += chunk.byteLength;
      if (bytes > readAwayBytes) return;
    }
  } catch {
    // The sender is gone and reads no answer.
  }
}

/** Pages, assets and `/healthz` do not wait for the store. */
function needsStore(path: string): boolean {
  return path.startsWith('/v1/') || path === '/readyz';
}

/** The object's socket, passed to the client unopened, so that the object may hibernate. */
class RelayedSocket implements SocketHandler {
  readonly answer: Response;

  constructor(answer: Response) {
    this.answer = answer;
  }

  open(): never {
    throw new Error('A relayed socket is not opened in the Worker.');
  }
}

function upgraded(handler: SocketHandler): Response {
  if (handler instanceof RelayedSocket) return handler.answer;
  const { 0: outer, 1: inner } = new WebSocketPair();
  inner.accept();
  const listener = handler.open(socketOf(inner));
  inner.addEventListener('message', ({ data }) => {
    if (typeof data === 'string') listener.text(data);
    else inner.close(1003, 'text only');
  });
  inner.addEventListener('close', () => listener.closed());
  inner.addEventListener('error', () => listener.closed());
  return new Response(null, { status: 101, webSocket: outer });
}

function socketOf(socket: WebSocket): Socket {
  return {
    send: (text, sent) => {
      if (socket.readyState === WebSocket.OPEN) socket.send(text);
      // Workers report neither when a text was sent nor how many wait.
      sent?.();
    },
    close: (code, reason) => {
      if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
    },
  };
}

const deadlines: Deadlines = {
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
};
