// The HTTP side of a hosted device: UPnP Device Architecture 2.0 §2, §3 and §4, one server per address.
// Requirements H15, H19, H20, H24, Z8, Z9: bound to LAN addresses, requested by IP literal, never from a web page.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { canonicalAddress } from '../../../shared/ip-address.ts';
import { interfaceOf, type LocalInterface } from '../network/address.ts';
import { hostAndPort } from '../network/http-url.ts';
import { zonedAddress } from '../network/multicast.ts';
import { PeerLimit } from '../network/peer-limit.ts';
import { GenaPublisher } from './gena-publisher.ts';
import {
  configIdOf,
  controlPath,
  descriptionPath,
  eventPath,
  type HostedDevice,
  type HostedService,
  scpdPath,
  writeDescription,
  writeScpd,
} from './hosted-device.ts';
import { SoapService } from './soap-service.ts';

export interface DeviceHostOptions {
  readonly device: HostedDevice;
  /** 0 picks a free port on each address. */
  readonly port: number;
  readonly server: string;
  /** Serves other files by path; undefined is 404. */
  fileAt?(path: string): HostedFile | undefined;
  /** Which on-link peers may connect; all by default (Z14). */
  allows?(address: string): boolean;
  onFault(error: Error): void;
}

export interface HostedFile {
  readonly contentType: string;
  readonly body: Uint8Array;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Values of H24: a household has few control points, and slow ones are cut off. */
const limits = {
  connections: 512,
  connectionsPerPeer: 256,
  headerBytes: 8 * 1024,
  headersMs: 5000,
  requestMs: 10_000,
  idleMs: 60_000,
} as const;

export class DeviceHost {
  readonly #options: DeviceHostOptions;
  readonly #publishers = new Map<HostedService, GenaPublisher>();
  readonly #routes = new Map<string, Readonly<Record<string, Answer>>>();
  readonly #servers = new Map<string, { server: Server; at: LocalInterface; port: number }>();
  readonly #peers = new PeerLimit(limits.connectionsPerPeer);
  /** CONFIGID.UPNP.ORG: changes only with the device's documents. */
  readonly configId: number;

  constructor(options: DeviceHostOptions) {
    this.#options = options;
    this.configId = configIdOf(options.device);
    this.#addDocument(descriptionPath, writeDescription(options.device, this.configId));
    for (const service of options.device.services) this.#addService(service);
  }

  /** Listens on one more address; returns the URL of the description there. Rejects when the port is taken. */
  async open(at: LocalInterface): Promise<string> {
    const server = createServer(
      {
        // We check Host ourselves and answer 400.
        requireHostHeader: false,
        maxHeaderSize: limits.headerBytes,
        headersTimeout: limits.headersMs,
        requestTimeout: limits.requestMs,
        keepAliveTimeout: limits.idleMs,
        connectionsCheckingInterval: 1000,
        noDelay: true,
      },
      (request, response) => this.#handle(request, response),
    );
    server.maxConnections = limits.connections;
    server.on('connection', (socket) => this.#admit(socket));
    server.on('clientError', (_, socket) => {
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
      else socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ port: this.#options.port, host: zonedAddress(at) }, () => {
        server.removeListener('error', reject);
        resolve();
      });
    });
    server.on('error', (error) => this.#options.onFault(error));
    const { port } = server.address() as AddressInfo;
    this.#servers.set(zonedAddress(at), { server, at, port });
    return `http://${hostAndPort(at.address, port)}${descriptionPath}`;
  }

  /** Stops listening on an address and closes its connections. */
  async close(at: LocalInterface): Promise<void> {
    const entry = this.#servers.get(zonedAddress(at));
    if (entry === undefined) return;
    this.#servers.delete(zonedAddress(at));
    await new Promise<void>((resolve) => {
      entry.server.close(() => resolve());
      entry.server.closeAllConnections();
    });
  }

  async stop(): Promise<void> {
    for (const publisher of this.#publishers.values()) publisher.stop();
    await Promise.all([...this.#servers.values()].map(({ at }) => this.close(at)));
  }

  /** Notifies a service's subscribers that these variables changed. */
  publish(service: HostedService, variables: readonly string[]): void {
    this.#publishers.get(service)?.publish(variables);
  }

  /** `http://address:port` of each listening address. */
  get origins(): string[] {
    return [...this.#servers.values()].map(({ at, port }) => `http://${hostAndPort(at.address, port)}`);
  }

  #addService(service: HostedService): void {
    const soap = new SoapService(service, this.#options.server);
    const publisher = new GenaPublisher({
      variables: Object.keys(service.variables).filter((name) => service.variables[name]?.evented),
      valueOf: (variable) => service.valueOf(variable),
      server: this.#options.server,
      isOurs: (address, port) => this.#isOurs(address, port),
    });
    this.#publishers.set(service, publisher);
    this.#addDocument(scpdPath(service), writeScpd(service, this.configId));
    this.#routes.set(controlPath(service), { POST: (request, response) => void soap.control(request, response) });
    this.#routes.set(eventPath(service), {
      SUBSCRIBE: (request, response) => publisher.subscribe(request, response),
      UNSUBSCRIBE: (request, response) => publisher.unsubscribe(request, response),
    });
  }

  #addDocument(path: string, text: string): void {
    const file = { contentType: 'text/xml; charset="utf-8"', body: Buffer.from(text) };
    this.#routes.set(
      path,
      readable((response, head) => this.#send(response, file, head)),
    );
  }

  #admit(socket: Socket): void {
    const peer = canonicalAddress(socket.remoteAddress ?? '') ?? '';
    const links = [...this.#servers.values()].map(({ at }) => at);
    const isNeighbour = interfaceOf(peer, links) !== undefined && this.#options.allows?.(peer) !== false;
    if (!isNeighbour || !this.#peers.admits(socket)) socket.destroy();
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      this.#end(response, refusal);
      return;
    }
    const path = (request.url ?? '').replace(/^http:\/\/[^/]*/i, '').replace(/\?.*$/, '');
    const methods = this.#routes.get(path) ?? this.#fileRoute(path);
    if (methods === undefined) {
      this.#end(response, 404);
      return;
    }
    const answer = Object.hasOwn(methods, request.method ?? '') ? methods[request.method ?? ''] : undefined;
    if (answer === undefined) {
      this.#end(response, 405, { ALLOW: Object.keys(methods).join(', ') });
      return;
    }
    answer(request, response);
  }

  /** A host name in Host may have been rebound to our address (DNS rebinding): H15, Z8. */
  #refusalOf(request: IncomingMessage): 400 | 403 | undefined {
    const { localAddress = '', localPort = 0 } = request.socket;
    // More than one Host header is refused (RFC 9112 §3.2).
    const [asked = '', ...others] = request.headersDistinct.host ?? [];
    if (others.length > 0) return 400;
    const literal = /^(.*?)(?::(\d{1,5}))?$/.exec(
      asked.trim().replace(/^\[(.*)\](.*)$/, (_, inside, rest) => `${inside}]${rest}`),
    );
    const host = (literal?.[1] ?? '').replace(/\]$/, '');
    if (canonicalAddress(host) !== canonicalAddress(localAddress) || host === '') return 400;
    if (Number(literal?.[2] ?? 80) !== localPort) return 400;
    const fromPage = request.headers.origin !== undefined || request.headers['sec-fetch-site'] !== undefined;
    return fromPage ? 403 : undefined;
  }

  #fileRoute(path: string): Readonly<Record<string, Answer>> | undefined {
    const file = this.#options.fileAt?.(path);
    return file && readable((response, head) => this.#send(response, file, head));
  }

  #send(response: ServerResponse, file: HostedFile, head: boolean): void {
    response.writeHead(200, {
      'CONTENT-TYPE': file.contentType,
      'CONTENT-LENGTH': file.body.length,
      SERVER: this.#options.server,
      // The file's content is untrusted: a browser must not treat it as a page of ours.
      'X-Content-Type-Options': 'nosniff',
    });
    response.end(head ? undefined : file.body);
  }

  #end(response: ServerResponse, status: number, headers: Record<string, string> = {}): void {
    // The body of a refused request is not read, so its connection cannot be reused.
    response
      .writeHead(status, { ...headers, SERVER: this.#options.server, 'CONTENT-LENGTH': 0, CONNECTION: 'close' })
      .end();
  }

  #isOurs(address: string, port: number): boolean {
    return [...this.#servers.values()].some(
      (entry) => entry.port === port && canonicalAddress(entry.at.address) === address,
    );
  }
}

function readable(send: (response: ServerResponse, head: boolean) => void): Readonly<Record<string, Answer>> {
  return {
    GET: (_, response) => send(response, false),
    HEAD: (_, response) => send(response, true),
  };
}
