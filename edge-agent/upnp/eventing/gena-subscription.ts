// The life cycle of one subscription: subscribe, renew, resubscribe, lapse, retry. UPnP Device Architecture 2.0 §4.1. Requirements E1–E22, E24.

import { backOffMs } from '../../../shared/back-off.ts';
import { UpnpError } from '../error.ts';
import type { HttpAnswer, Network } from '../network/network.ts';
import { charsetOf } from '../xml/xml-text.ts';
import type { CallbackServer, Notification } from './gena-callback.ts';
import { parseSeq, readPropertySet, seqOrderOf } from './gena-event.ts';

export interface GenaEvent {
  /** Undefined when the device sent none. */
  seq: number | undefined;
  /** Empty when the body is unreadable: the event is still a hint that something changed (E19). */
  variables: ReadonlyMap<string, string>;
}

/** The device keeps the subscription, lost it and granted a new one, or did not answer clearly. */
export type SubscriptionProbe = 'kept' | 'renewed' | 'unknown';

export interface SubscribeOptions {
  eventSubUrl: string;
  /** How to reach the device; default the subscriber's network. */
  network?: Network;
  /** Requested duration; default 1800. Some devices drop subscriptions longer than 540. */
  timeoutSeconds?: number;
  onEvent(event: GenaEvent): void;
  /** Events were lost: SEQ skipped or the device had dropped the subscription. It has been replaced. */
  onGap(): void;
  /** The device no longer keeps the subscription. It is retried with back-off; poll until `onRestored`. */
  onLapse(error: UpnpError): void;
  /** A lapsed subscription was granted again. */
  onRestored?(): void;
}

/** A path on a callback server, for one subscription. */
export interface EventRoute {
  readonly server: CallbackServer;
  readonly token: string;
}

export interface SubscriptionDeps {
  network: Network;
  request: SubscribeOptions;
  renewFraction: number;
  /** First back-off for a lapsed subscription; it doubles up to 30 minutes. */
  retryMs: number;
  /** Opens a route on the local address that currently reaches the device. */
  openRoute(subscription: LiveSubscription): Promise<EventRoute>;
  closeRoute(route: EventRoute): void;
  onFault(error: unknown): void;
}

const requestDeadlineMs = 10_000;
const unsubscribeDeadlineMs = 2000;
const defaultGrantSeconds = 1800;
const maxEarlyEvents = 8;
const maxEarlyBytes = 256 * 1024;
const maxRetryMs = 30 * 60_000;
/** Rate limit: a publisher that counts SEQ wrongly must not cause a SUBSCRIBE per event. */
const minResubscribeMs = 30_000;
/** Minimum pause after a failed SUBSCRIBE, however often `probe` is called. */
const minProbePauseMs = 5000;

export class LiveSubscription {
  readonly #deps: SubscriptionDeps;
  readonly #ending = new AbortController();
  #route: EventRoute | undefined;
  #sid = '';
  #lastSeq: number | undefined;
  /** Events that arrived before the answer that names their SID (E4). */
  #earlyEvents: Notification[] = [];
  #isRequesting = false;
  #isBusy = false;
  #lapsed = false;
  #lapsedAtMs = Number.NEGATIVE_INFINITY;
  #retries = 0;
  #resubscribedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: SubscriptionDeps) {
    this.#deps = parts;
  }

  /** The SID from the device; empty while there is none. */
  get sid(): string {
    return this.#sid;
  }

  get route(): EventRoute | undefined {
    return this.#route;
  }

  get #network(): Network {
    return this.#deps.request.network ?? this.#deps.network;
  }

  /** @throws UpnpError when the device does not grant it; poll such a device (E11) */
  async open(): Promise<void> {
    try {
      await this.#subscribe();
    } catch (error) {
      await this.cancel();
      throw error;
    }
  }

  /** Sends UNSUBSCRIBE with a short deadline; the answer does not matter. */
  async cancel(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    await this.#unsubscribe();
  }

  /** Subscribes again, as after a change of the local address (E22). */
  async reopen(): Promise<void> {
    await this.#exclusively(() => this.#resubscribe());
  }

  /** Renews now, because a restarted device loses subscriptions silently. A lapsed subscription is retried without its back-off. */
  async probe(): Promise<SubscriptionProbe> {
    if (this.#ending.signal.aborted) return 'unknown';
    const before = this.#sid;
    if (!this.#lapsed && before !== '') await this.#exclusively(() => this.#renewOrResubscribe());
    else if (performance.now() - this.#lapsedAtMs >= minProbePauseMs)
      await this.#exclusively(() => this.#resubscribe());
    if (this.#lapsed || this.#sid === '') return 'unknown';
    return this.#sid === before ? 'kept' : 'renewed';
  }

  /** Whether an event with this SID belongs here. One without SID does, because of its token (E15). */
  accepts(sid: string | undefined): boolean {
    return !this.#ending.signal.aborted && (sid === undefined || sid === this.#sid || this.#isRequesting);
  }

  receive(notification: Notification): void {
    if (notification.sid !== undefined && notification.sid !== this.#sid) {
      if (this.#isRequesting) this.#bufferEarly(notification);
      return;
    }
    const seq = parseSeq(notification.seq);
    const place = seqOrderOf(seq, this.#lastSeq);
    if (place === 'duplicate') return;
    this.#lastSeq = seq ?? this.#lastSeq;
    const variables = readPropertySet(notification.body, charsetOf(notification.contentType));
    this.#notify(() => this.#deps.request.onEvent({ seq, variables }));
    if (place === 'gap') void this.#closeGap();
  }

  #bufferEarly(notification: Notification): void {
    const bytes = this.#earlyEvents.reduce((sum, held) => sum + held.body.length, notification.body.length);
    if (this.#earlyEvents.length < maxEarlyEvents && bytes <= maxEarlyBytes) this.#earlyEvents.push(notification);
  }

  async #closeGap(): Promise<void> {
    if (performance.now() - this.#resubscribedAtMs >= minResubscribeMs) {
      this.#resubscribedAtMs = performance.now();
      await this.reopen();
    }
    if (!this.#ending.signal.aborted) this.#notify(() => this.#deps.request.onGap());
  }

  async #subscribe(): Promise<void> {
    const route = await this.#deps.openRoute(this);
    this.#route = route;
    this.#lastSeq = undefined;
    const headers = [
      ['CALLBACK', `<${route.server.urlOf(route.token)}>`],
      ['NT', 'upnp:event'],
      ['TIMEOUT', this.#timeout()],
    ] as const;
    const answer = await this.#request(headers);
    const sid = answer.headers.get('sid');
    if (sid === undefined || sid === '')
      throw new UpnpError('malformed', 'The device granted a subscription without SID');
    this.#onGranted(sid, answer);
  }

  /** Sends SID and TIMEOUT only: NT or CALLBACK would be an error (E7). */
  async #renew(): Promise<void> {
    const answer = await this.#request([
      ['SID', this.#sid],
      ['TIMEOUT', this.#timeout()],
    ]);
    // Some devices omit the SID, some assign a new one (E8).
    this.#onGranted(answer.headers.get('sid') || this.#sid, answer);
  }

  async #request(headers: readonly (readonly [string, string])[]): Promise<HttpAnswer> {
    this.#isRequesting = true;
    try {
      const answer = await this.#network.request({
        method: 'SUBSCRIBE',
        url: this.#deps.request.eventSubUrl,
        headers,
        deadlineMs: requestDeadlineMs,
        signal: this.#ending.signal,
      });
      if (answer.status === 200) return answer;
      throw new UpnpError('refused', `The device answered SUBSCRIBE with HTTP status ${answer.status}`, {
        httpStatus: answer.status,
      });
    } finally {
      this.#isRequesting = false;
    }
  }

  #onGranted(sid: string, answer: HttpAnswer): void {
    this.#sid = sid;
    this.#retries = 0;
    this.#schedule(renewalMs(answer.headers.get('timeout'), this.#deps.renewFraction), () =>
      this.#renewOrResubscribe(),
    );
    const held = this.#earlyEvents;
    this.#earlyEvents = [];
    for (const notification of held) if (notification.sid === sid) this.receive(notification);
  }

  /** Renews; on any error answer, such as an unknown SID, subscribes again once (E9, E10). */
  async #renewOrResubscribe(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (error instanceof UpnpError && error.kind === 'unreachable') {
        this.#lapse(error);
        return;
      }
      // The device does not know this SID, so there is nothing to unsubscribe.
      this.#sid = '';
      await this.#resubscribe();
      if (!this.#lapsed && !this.#ending.signal.aborted) this.#notify(() => this.#deps.request.onGap());
    }
  }

  async #resubscribe(): Promise<void> {
    try {
      await this.#unsubscribe();
      await this.#subscribe();
      if (this.#lapsed) this.#notify(() => this.#deps.request.onRestored?.());
      this.#lapsed = false;
    } catch (error) {
      if (!(error instanceof UpnpError)) throw error;
      this.#lapse(error);
    }
  }

  #lapse(error: UpnpError): void {
    if (this.#ending.signal.aborted) return;
    const times = { firstMs: this.#deps.retryMs, capMs: maxRetryMs, spread: [0.75, 1.25] } as const;
    this.#schedule(backOffMs(times, this.#retries++), () => this.#resubscribe());
    if (!this.#lapsed) this.#notify(() => this.#deps.request.onLapse(error));
    this.#lapsed = true;
    this.#lapsedAtMs = performance.now();
  }

  /** Drops the subscription locally, then sends UNSUBSCRIBE (E21). */
  async #unsubscribe(): Promise<void> {
    const sid = this.#sid;
    this.#sid = '';
    if (this.#route !== undefined) this.#deps.closeRoute(this.#route);
    this.#route = undefined;
    this.#earlyEvents = [];
    if (sid === '') return;
    const goodbye = { method: 'UNSUBSCRIBE', url: this.#deps.request.eventSubUrl, headers: [['SID', sid]] as const };
    await this.#network.request({ ...goodbye, deadlineMs: unsubscribeDeadlineMs }).catch((error: unknown) => {
      if (!(error instanceof UpnpError)) throw error;
    });
  }

  #schedule(delayMs: number, work: () => Promise<void>): void {
    clearTimeout(this.#timer);
    if (!this.#ending.signal.aborted) this.#timer = setTimeout(() => void this.#exclusively(work), delayMs);
  }

  /** Runs one exchange with the device at a time; a concurrent call is dropped. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    if (this.#isBusy || this.#ending.signal.aborted) return;
    this.#isBusy = true;
    clearTimeout(this.#timer);
    try {
      await work();
    } catch (error) {
      this.#deps.onFault(error);
    } finally {
      this.#isBusy = false;
    }
  }

  /** An error in the caller's callback must not reach the socket that delivered the event (Z20). */
  #notify(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#deps.onFault(error);
    }
  }

  #timeout(): string {
    return `Second-${Math.max(1, Math.round(this.#deps.request.timeoutSeconds ?? defaultGrantSeconds))}`;
  }
}

/** When to renew: well before the grant ends, with jitter. Infinite or missing counts as 1800 s (E6, E24). */
export function renewalMs(timeoutHeader: string | undefined, fraction: number): number {
  const granted = Number(/^\s*second-(\d{1,9})\s*$/i.exec(timeoutHeader ?? '')?.[1] ?? defaultGrantSeconds);
  const seconds = Math.min(86_400, granted === 0 ? defaultGrantSeconds : granted);
  return Math.max(250, seconds * 1000 * fraction * (0.9 + Math.random() * 0.2));
}
