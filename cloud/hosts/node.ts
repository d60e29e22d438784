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
/** Heartbeats: longer than any call takes, and than an event stream is without a comment. */
const stall = 5;
/** How often the tokens of open streams are looked up: a stream ends within 5 s of its token. */
const recheckMs = 2_000;
/** How long requests may take to end when the cloud stops. */
const stopMs = 2_000;
/** Connections that wait to be accepted, for a fleet that comes back at once; what more come dial again, in seconds. */
const backlog = 4096;
/** What a household’s devices, its agents and its proxy need is a hundredth of it. Each takes some 10 KiB. */
const connectionsUnlessTold = 10_000;
/** How long the headers of a request may take, and the whole of it: longer than any body may (routes/request-body.ts). */
const headersMs = 10_000;
const requestMs = 65_000;
/** How often Node looks for those that took longer; 30 seconds unless told. */
const checkMs = 1_000;

export interface NodeHostSettings extends Partial<QuotaSettings> {
  host: string;
  /** 0: any free one. */
  port: number;
  dataFolder: string;
  home: string;
  log: Log;
  ownerToken?: string | undefined;
  /** The address under which people reach the cloud, if not that on which it listens. */
  baseUrl?: string | undefined;
  /** 30,000 unless told. */
  heartbeatMs?: number;
  clock?: Clock;
  /** In place of SQLite in the data folder. */
  store?: Store;
  /** How many connections there may be; 10,000 unless told. */
  connections?: number;
  /** Addresses and networks (CIDR) whose X-Forwarded-For is believed; none unless told. */
  trustedProxies?: readonly string[];
  /** Where the built dashboard is. */
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
        // Node’s own server never hands out a request of HTTP/2.
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
      // A request without Host is answered as one with another’s Host is.
      requireHostHeader: false,
      // Its body, which is none, would have Node read on although requests wait.
      optimizeEmptyRequests: true,
      shouldUpgradeCallback: ({ method, headers }) =>
        method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket',
    });
    // Nobody reads an answer of which nothing is taken for so long; whoever does after all comes back.
    this.#server.setTimeout(stall * heartbeatMs);
    this.#requests = new NodeRequests((incoming, response) => {
      this.#connections.heard(incoming.socket);
      return listener(incoming, response);
    });
    this.#requests.listenTo(this.#server);
    this.#connections = new NodeConnections(settings.connections ?? connectionsUnlessTold, (socket, why) =>
      this.#requests.refuse(socket, why),
    );
    this.#sockets = new NodeSockets(async (request, given) => app.fetch(request, given), heartbeatMs, about);
  }

  /** Opens the store and listens. Throws an error that names the mend. */
  async start(): Promise<void> {
    const { home, ownerToken: presetToken, host, port } = this.#settings;
    await this.#store.start();
    try {
      this.#owner = await this.#access.ensureOwner({ account, home, presetToken });
      if (this.isPresetRevoked) this.#settings.log.warn('owner-token.preset-revoked');
      // Sends whose time ran out meanwhile are settled now, agent or no agent.
      await this.#hubs.hub(home);
      this.#server.on('connection', (socket) => {
        this.#connections.opened(socket);
        this.#sockets.connected();
      });
      this.#server.on('upgrade', (request, socket, head) => {
        this.#connections.heard(request.socket);
        // It would be answered in the middle of the answer before it.
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

  /** Tells agents and watchers to come back later, ends what is under way, and closes the store. */
  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#sockets.close();
    await this.#hubs.stop();
    const impatience = setTimeout(() => {
      this.#sockets.stop();
      this.#server.closeAllConnections();
    }, stopMs);
    // Browsers keep connections open on which they have asked nothing yet: once no answer is due, all may go.
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

  /** Where it listens: `http://127.0.0.1:8787`. */
  get url(): string {
    const { address, port } = this.#server.address() as AddressInfo;
    const reachable = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '::1' : address;
    return `http://${isIP(reachable) === 6 ? `[${reachable}]` : reachable}:${port}`;
  }

  /** Where people reach it. */
  get baseUrl(): string {
    return this.#settings.baseUrl ?? this.url;
  }

  /** The owner's token, if it was made at this start: to be shown once. */
  get madeToken(): string | undefined {
    return this.#owner.token;
  }

  /** Whether the preset owner's token was revoked, and so lets nobody in. */
  get isPresetRevoked(): boolean {
    return this.#owner.isPresetRevoked === true;
  }

  /** A link that signs in to the dashboard once, within 15 minutes. */
  async signInLink(): Promise<string> {
    return `${this.baseUrl}/#sign-in=${(await this.#access.createSignIn(account)).token}`;
  }

  /** A token with which an agent connects the first home. It takes the place of an earlier one of that name. */
  async issueAgentToken(name: string): Promise<string> {
    const { home } = this.#settings;
    const earlier = await this.#access.list(account, { kind: 'agent', home });
    const { token } = await this.#access.issue('agent', { account, home, name, scopes: ['phones:approve'] });
    for (const token of earlier.filter((each) => each.name === name)) await this.#access.revoke(token);
    return token;
  }

  /** Ends what a token has open. */
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

/** For what Node’s parser takes and no URL can hold: `OPTIONS *`, or a Host that is none. */
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
