// GENA from the side of a service: UPnP Device Architecture 2.0, chapter 4. Requirements H10–H14, Z6, Z7.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { formatHttpUrl } from '../network/http-url.ts';
import { GenaDelivery } from './gena-delivery.ts';
import { readSubscribe, readUnsubscribe } from './subscribe-request.ts';

export interface PublisherOptions {
  /** The evented variables, in the order in which an event holds them. */
  readonly variables: readonly string[];
  valueOf(variable: string): string;
  readonly server: string;
  /** Whether an address and port are a server of this process. */
  isOurs(address: string, port: number): boolean;
}

interface Subscriber {
  readonly delivery: GenaDelivery;
  readonly peer: string;
  /** The delivery URLs as one text: who subscribes again with the same is the same subscriber. */
  readonly callbacks: string;
  expiry: NodeJS.Timeout;
}

/** As Portable UPnP counts connections; a household has few control points. */
const mostSubscribers = 64;
const mostPerPeer = 32;

/** The subscribers of one service. */
export class GenaPublisher {
  readonly #options: PublisherOptions;
  readonly #subscribers = new Map<string, Subscriber>();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** How many are subscribed now. */
  get subscribers(): number {
    return this.#subscribers.size;
  }

  /** Forgets every subscriber; what is on its way is broken off. */
  stop(): void {
    for (const sid of [...this.#subscribers.keys()]) this.#drop(sid);
  }

  /** Tells every subscriber the present value of these variables. */
  publish(variables: readonly string[]): void {
    for (const { delivery } of this.#subscribers.values()) delivery.changed(variables);
  }

  /** Answers SUBSCRIBE, new or renewal. */
  subscribe(request: IncomingMessage, response: ServerResponse): void {
    const peer = request.socket.remoteAddress ?? '';
    const asked = readSubscribe(request.headers, { peer, isOurs: this.#options.isOurs });
    if (asked.kind === 'refused') {
      this.#refuse(response, asked.status);
      return;
    }
    if (asked.kind === 'renewal') {
      const subscriber = this.#subscribers.get(asked.sid);
      if (subscriber === undefined) {
        this.#refuse(response, 412);
        return;
      }
      clearTimeout(subscriber.expiry);
      subscriber.expiry = this.#expireAfter(asked.sid, asked.timeoutSeconds);
      this.#grant(response, asked.sid, asked.timeoutSeconds);
      return;
    }
    const callbacks = asked.callbacks.map(formatHttpUrl).join(' ');
    this.#replace(peer, callbacks);
    const ofPeer = [...this.#subscribers.values()].filter((subscriber) => subscriber.peer === peer).length;
    if (this.#subscribers.size >= mostSubscribers || ofPeer >= mostPerPeer) {
      this.#refuse(response, 503);
      return;
    }

    const sid = `uuid:${randomUUID()}`;
    const delivery = new GenaDelivery({
      sid,
      callbacks: asked.callbacks,
      localAddress: request.socket.localAddress ?? '',
      valueOf: this.#options.valueOf,
      onLost: () => this.#drop(sid),
    });
    const expiry = this.#expireAfter(sid, asked.timeoutSeconds);
    this.#subscribers.set(sid, { delivery, peer, callbacks, expiry });
    // The first event comes strictly after the answer that names the SID (H12).
    response.once('finish', () => delivery.begin(this.#options.variables));
    response.once('close', () => {
      if (!response.writableFinished) this.#drop(sid);
    });
    this.#grant(response, sid, asked.timeoutSeconds);
  }

  /** Answers UNSUBSCRIBE. */
  unsubscribe(request: IncomingMessage, response: ServerResponse): void {
    const asked = readUnsubscribe(request.headers);
    if ('status' in asked) {
      this.#refuse(response, asked.status);
      return;
    }
    if (!this.#subscribers.has(asked.sid)) {
      this.#refuse(response, 412);
      return;
    }
    this.#drop(asked.sid);
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

  /** Some receivers never renew but subscribe anew every few seconds, with the same delivery URL (quirk 39). */
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
