// The publisher's side of GENA: UPnP Device Architecture 2.0, chapter 4. Requirements H10–H14, Z6, Z7.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatHttpUrl } from '../network/http-url.ts';
import { GenaDelivery } from './gena-delivery.ts';
import { readSubscribe, readUnsubscribe } from './subscribe-request.ts';

export interface PublisherOptions {
  /** The evented variables, in the order in which events list them. */
  readonly variables: readonly string[];
  valueOf(variable: string): string;
  readonly server: string;
  /** Whether an address and port belong to a server of this process. */
  isOurs(address: string, port: number): boolean;
}

interface Subscriber {
  readonly delivery: GenaDelivery;
  readonly peer: string;
  /** The delivery URLs as one string, by which a repeated SUBSCRIBE is recognised. */
  readonly callbacks: string;
  expiry: NodeJS.Timeout;
}

/** Portable UPnP's limit of connections; a household has few control points. */
const maxSubscribers = 64;
const maxPerPeer = 32;

/** The subscribers of one service. */
export class GenaPublisher {
  readonly #options: PublisherOptions;
  readonly #subscribers = new Map<string, Subscriber>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** The current number of subscribers. */
  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** Drops every subscriber and aborts deliveries in flight. */
  stop(): void {
    for (const sid of [...this.#subscribers.keys()]) this.#drop(sid);
  }

  /** Sends the current values of these variables to every subscriber. */
  publish(variables: readonly string[]): void {
    for (const { delivery } of this.#subscribers.values()) delivery.changed(variables);
  }

  /** Answers SUBSCRIBE, both new and renewal. */
  subscribe(request: IncomingMessage, response: ServerResponse): void {
    const peer = request.socket.remoteAddress ?? '';
    const requested = readSubscribe(request.headers, { peer, isOurs: this.#options.isOurs });
    if (requested.kind === 'refused') {
      this.#refuse(response, requested.status);
      return;
    }
    if (requested.kind === 'renewal') {
      const subscriber = this.#subscribers.get(requested.sid);
      if (subscriber === undefined) {
        this.#refuse(response, 412);
        return;
      }
      clearTimeout(subscriber.expiry);
      subscriber.expiry = this.#expireAfter(requested.sid, requested.timeoutSeconds);
      this.#grant(response, requested.sid, requested.timeoutSeconds);
      return;
    }
    const callbacks = requested.callbacks.map(formatHttpUrl).join(' ');
    this.#replace(peer, callbacks);
    const ofPeer = [...this.#subscribers.values()].filter((subscriber) => subscriber.peer === peer).length;
    if (this.#subscribers.size >= maxSubscribers || ofPeer >= maxPerPeer) {
      this.#refuse(response, 503);
      return;
    }

    const sid = `uuid:${randomUUID()}`;
    const delivery = new GenaDelivery({
      sid,
      callbacks: requested.callbacks,
      localAddress: request.socket.localAddress ?? '',
      valueOf: this.#options.valueOf,
      onLost: () => this.#drop(sid),
    });
    const expiry = this.#expireAfter(sid, requested.timeoutSeconds);
    this.#subscribers.set(sid, { delivery, peer, callbacks, expiry });
    // The first event must follow the answer that names the SID (H12).
    response.once('finish', () => delivery.begin(this.#options.variables));
    response.once('close', () => {
      if (!response.writableFinished) this.#drop(sid);
    });
    this.#grant(response, sid, requested.timeoutSeconds);
  }

  /** Answers UNSUBSCRIBE. */
  unsubscribe(request: IncomingMessage, response: ServerResponse): void {
    const requested = readUnsubscribe(request.headers);
    if ('status' in requested) {
      this.#refuse(response, requested.status);
      return;
    }
    if (!this.#subscribers.has(requested.sid)) {
      this.#refuse(response, 412);
      return;
    }
    this.#drop(requested.sid);
    response.writeHead(200, { 'Content-Length': 0 }).end();
  }

  #grant(response: ServerResponse, sid: string, seconds: number): void {
    response
      .writeHead(200, { SID: sid, TIMEOUT: `Second-${seconds}`, SERVER: this.#options.server, 'Content-Length': 0 })
      .end();
  }

  #refuse(response: ServerResponse, status: number): void {
    response.writeHead(status, { SERVER: this.#options.server, 'Content-Length': 0 }).end();
  }

  /** Some receivers never renew: they subscribe again every few seconds with the same delivery URL (quirk 39). */
  #replace(peer: string, callbacks: string): void {
    for (const [sid, subscriber] of this.#subscribers) {
      if (subscriber.peer === peer && subscriber.callbacks === callbacks) this.#drop(sid);
    }
  }

  #expireAfter(sid: string, seconds: number): NodeJS.Timeout {
    return setTimeout(() => this.#drop(sid), seconds * 1000);
  }

  #drop(sid: string): void {
    const subscriber = this.#subscribers.get(sid);
    if (subscriber === undefined) return;
    this.#subscribers.delete(sid);
    clearTimeout(subscriber.expiry);
    subscriber.delivery.stop();
  }
}
