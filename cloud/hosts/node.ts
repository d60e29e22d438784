// The self-hosted cloud: one Node process with its store on disk. `npm run cloud` starts it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, isIP } from 'node:net';
import { join } from 'node:path';
import { getRequestListener } from '@hono/node-server';
import { GatewayError } from '../../protocol/errors.ts';
import { Access, type OwnerState } from '../access/access.ts';
import { createApp } from '../app.ts';
import type { Deadlines, Log } from '../hub/hub-deps.ts';
import type { AgentIdentity } from '../hub/link.ts';
import { LocalHubs } from '../hub/local-hubs.ts';
import type { QuotaSettings } from '../routes/quota-settings.ts';
import type { CloudApp } from '../routes/route-kit.ts';
import type { SocketHandler } from '../routes/sockets.ts';
import { StreamTokens } from '../routes/stream-tokens.ts';
import { endingWithToken } from '../routes/tunnel-token.ts';
import type { Clock } from '../store/clock.ts';
import { openSqlite, openStore } from '../store/open.ts';
import type { Store } from '../store/store.ts';
import type { TokenRecord } from '../store/token-store.ts';
import { clientAddress, networksOf } from './client-address.ts';
import { runCommand } from './node-command.ts';
import { NodeConnections } from './node-connections.ts';
import { folderDashboard } from './node-dashboard.ts';
import { NodeMetrics } from './node-metrics.ts';
import { NodeRequests } from './node-requests.ts';
import { NodeSockets } from './node-sockets.ts';
import { StoreHealth } from './node-store-health.ts';

const account = 'household';
/** Heartbeats without progress after which an answer is cut: longer than any call, and than the gap between comments. */
const stall = 5;
/** How often the tokens of open streams are looked up, so that a stream ends within 5 s of its token. */
const recheckMs = 2_000;
/** How long requests may take to end when the cloud stops. */
const stopMs = 2_000;
/** The listen backlog, for a fleet that reconnects at once. Agents above it dial again within seconds. */
const backlog = 4096;
/** A hundred times what a household’s devices, agents and proxy need. Each takes some 10 KiB. */
const defaultConnections = 10_000;
/** Timeouts of the headers and of the whole request; the latter is above that of any body (routes/request-body.ts). */
const headersMs = 10_000;
const requestMs = 65_000;
/** How often Node checks these timeouts; its default is 30 seconds. */
const checkMs = 1_000;

export interface NodeHostSettings extends Partial<QuotaSettings> {
  host: string;
  /** 0: any free port. */
  port: number;
  dataFolder: string;
  home: string;
  log: Log;
  ownerToken?: string | undefined;
  /** The public address, if it differs from the one the server listens at. */
  baseUrl?: string | undefined;
  /** 30,000 by default. */
  heartbeatMs?: number;
  clock?: Clock;
  /** In place of SQLite in the data folder. */
  store?: Store;
  /** The cap on connections; 10,000 by default. */
  connections?: number;
  /** Addresses and networks (CIDR) whose X-Forwarded-For is trusted; none by default. */
  trustedProxies?: readonly string[];
  /** The built dashboard. */
  dashboardFolder?: string;
}

export class NodeHost {
  readonly #settings: NodeHostSettings;
  readonly #store: Store;
  readonly #health: StoreHealth;
  readonly #access: Access;
  readonly #hubs: LocalHubs;
  readonly #server: Server;
  readonly #sockets: NodeSockets;
  readonly #requests: NodeRequests;
  readonly #connections: NodeConnections;
  #owner: OwnerState = {};

  constructor(settings: NodeHostSettings) {
    const clock: Clock = settings.clock ?? Date;
    const { log } = settings;
    const heartbeatMs = settings.heartbeatMs ?? 30_000;
    const metrics = new NodeMetrics();
    const health = new StoreHealth(settings.store ?? openSqlite(settings.dataFolder, clock), { log, deadlines });
    const { store } = health;
    const access = new Access({ store, clock });
    const hubs = new LocalHubs({
      store,
      clock,
      deadlines,
      log,
      observer: metrics.observer,
      heartbeatMs,
      storeTrouble: () => health.trouble,
    });
    access.onRevoked = (token) => this.#endAll(token);
    const streamTokens = new StreamTokens({ store, clock, deadlines, recheckMs });
    const app = createApp({
      quotas: settings,
      recheckMs,
      store,
      hubs,
      access,
      clock,
      deadlines,
      log,
      serveAgent: async (home, agent, token) =>
        endingWithToken(await serveAgent(hubs, home, agent), token, streamTokens),
      isOurs: (hostname) => hostname === this.#publicHostname || hostname === settings.host,
      isSecure: () => settings.baseUrl?.startsWith('https:') === true,
      dashboard: folderDashboard(settings.dashboardFolder ?? join(import.meta.dirname, '../dashboard/dist')),
      metrics: metrics.read,
      onAnswer: (answer) => {
        metrics.onAnswer(answer);
        log.info('request', answer);
      },
    });
    this.#settings = settings;
    this.#store = store;
    this.#health = health;
    this.#access = access;
    this.#hubs = hubs;
    const proxies = networksOf(settings.trustedProxies ?? []);
    const about = (incoming: IncomingMessage) => ({
      client: clientAddress(incoming, proxies),
      known: () => this.#connections.known(incoming.socket),
    });
    const listener = getRequestListener(
      async (request, { incoming }) => {
        // The type allows HTTP/2, which Node’s `http` server does not speak.
        const own = incoming as IncomingMessage;
        const answer = await app.fetch(request, { ...about(own), ...this.#requests.noteOf(own) });
        this.#requests.closeAfter(own, answer.headers);
        return answer;
      },
      { errorHandler: () => unreadable(app) },
    );
    this.#server = createServer({
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      connectionsCheckingInterval: checkMs,
      // The routes refuse a missing Host as they refuse a foreign one.
      requireHostHeader: false,
      // Without a body, Node would go on reading although requests wait.
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: ({ method, headers }) =>
        method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket',
    });
    // A client that has read nothing for 5 heartbeats is dropped; it may reconnect.
    this.#server.setTimeout(stall * heartbeatMs);
    this.#requests = new NodeRequests((incoming, response) => {
      this.#connections.heard(incoming.socket);
      return listener(incoming, response);
    });
    this.#requests.listenTo(this.#server);
    this.#connections = new NodeConnections(settings.connections ?? defaultConnections, (socket, why) =>
      this.#requests.refuse(socket, why),
    );
    this.#sockets = new NodeSockets(async (request, given) => app.fetch(request, given), heartbeatMs, about);
  }

  /** Opens the store and listens. @throws an error that names what to do */
  async start(): Promise<void> {
    const { home, ownerToken: presetToken, host, port } = this.#settings;
    await this.#store.start();
    try {
      this.#owner = await this.#access.ensureOwner({ account, home, presetToken });
      if (this.isPresetRevoked) this.#settings.log.warn('owner-token.preset-revoked');
      // Making the hub expires sends that became due while the cloud was down.
      await this.#hubs.hub(home);
      this.#server.on('connection', (socket) => {
        this.#connections.opened(socket);
        this.#sockets.connected();
      });
      this.#server.on('upgrade', (request, socket, head) => {
        this.#connections.heard(request.socket);
        // Its refusal would be written into the answer before it.
        if (this.#requests.isBusy(socket)) {
          socket.destroy();
          return;
        }
        this.#sockets.upgrade(request, socket, head).catch((error) => {
          this.#settings.log.error('upgrade.failed', { error: String(error) });
          socket.destroy();
        });
      });
      this.#server.listen({ port, host, backlog });
      await once(this.#server, 'listening');
      this.#sockets.start();
    } catch (error) {
      await this.#hubs.stop();
      this.#health.stop();
      await this.#store.stop();
      throw error;
    }
  }

  /** Drains agents and watchers, ends requests in progress, and closes the store. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#sockets.close();
    await this.#hubs.stop();
    const impatience = setTimeout(() => {
      this.#sockets.stop();
      this.#server.closeAllConnections();
    }, stopMs);
    // Browsers keep idle connections open: once no answer is due, all connections are closed.
    const sweep = setInterval(() => {
      if (this.#requests.underWay === 0) this.#server.closeAllConnections();
    }, 20);
    await closed;
    clearInterval(sweep);
    clearTimeout(impatience);
    this.#sockets.stop();
    this.#health.stop();
    await this.#store.stop();
  }

  /** The address it listens at: `http://127.0.0.1:8787`. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
    return `http://${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${port}`;
  }

  /** The public address. */
  get baseUrl(): string {
    return this.#settings.baseUrl ?? this.url;
  }

  /** The owner's token if this start made it, to be shown once. */
  get madeToken(): string | undefined {
    return this.#owner.token;
  }

  /** Whether the owner's token in the settings was revoked and lets nobody in. */
  get isPresetRevoked(): boolean {
    return this.#owner.isPresetRevoked === true;
  }

  /** A link that signs in to the dashboard once, within 15 minutes. */
  async signInLink(): Promise<string> {
    return `${this.baseUrl}/#sign-in=${(await this.#access.createSignIn(account)).token}`;
  }

  /** Makes a token for an agent of the first home. It replaces an earlier one of that name. */
  async issueAgentToken(name: string): Promise<string> {
    const { home } = this.#settings;
    const earlier = await this.#access.list(account, { kind: 'agent', home });
    const { token } = await this.#access.issue('agent', { account, home, name, scopes: ['phones:approve'] });
    for (const token of earlier.filter((each) => each.name === name)) await this.#access.revoke(token);
    return token;
  }

  /** Ends the tunnel or the watches of a revoked token. */
  async #endAll({ home, id, kind }: TokenRecord): Promise<void> {
    const homes = home === null ? await this.#store.homes.idsOf(account) : [home];
    const handles = homes.map((each) => this.#hubs.home(each));
    await Promise.all(handles.map((each) => (kind === 'agent' ? each.dismiss(id) : each.endWatches(id))));
  }

  get #publicHostname(): string | undefined {
    return this.#settings.baseUrl === undefined ? undefined : new URL(this.#settings.baseUrl).hostname;
  }
}

const deadlines: Deadlines = {
  after: (ms, fire) => {
    const timer = setTimeout(fire, ms);
    return () => clearTimeout(timer);
  },
};

/** Answers a request that Node’s parser accepts and no URL can hold: `OPTIONS *`, or an invalid Host. */
async function unreadable(app: CloudApp): Promise<Response> {
  const refusal = new GatewayError('invalid-request', 'The request names no address: its Host or its target is none.');
  return app.fetch(new Request('http://localhost/'), { refusal });
}

async function serveAgent(hubs: LocalHubs, home: string, agent: AgentIdentity): Promise<SocketHandler> {
  const hub = await hubs.hub(home);
  return {
    protocol: 'homeline.v1',
    open: (socket) => {
      const tunnel = hub.attach({ ...socket, keep: () => undefined }, agent);
      return { text: (text) => tunnel.receive(text), closed: () => void hub.detach(tunnel) };
    },
  };
}

if (import.meta.main) {
  await runCommand(async (settings) => {
    const report = (event: string, about: object) => settings.log.info(event, { ...about });
    return new NodeHost({ ...settings, store: await openStore(settings, undefined, report) });
  });
}
