// One subscription's life: subscribe, renew, subscribe again, give up, come back. UPnP Device Architecture 2.0 §4.1. Requirements E1–E22, E24.

import { backOffMs } from '../../../shared/back-off.ts';
import { UpnpError } from '../error.ts';
import type { HttpAnswer, Network } from '../network/network.ts';
import { charsetOf } from '../xml/xml-text.ts';
import type { CallbackServer, Notification } from './gena-callback.ts';
import { parseSeq, readPropertySet, seqPlaceOf } from './gena-event.ts';

export interface GenaEvent {
  /** Undefined when the device sent none. */
  seq: number | undefined;
  /** Empty when the body could not be read: the event is still a hint that something changed (E19). */
  variables: ReadonlyMap<string, string>;
}

/** What asking the device showed: it keeps the subscription, it had lost it and made a new one, or neither is known. */
export type SubscriptionProbe = 'kept' | 'renewed' | 'unknown';

export interface SubscribeOptions {
  eventSubUrl: string;
  /** The way to the device; that of the subscriber unless told. */
  network?: Network;
  /** What is asked for; 1800 unless told, and some devices drop subscriptions longer than 540. */
  timeoutSeconds?: number;
  onEvent(event: GenaEvent): void;
  /** SEQ skipped, or the device had forgotten us: events were lost, and the subscription was made anew. */
  onGap(): void;
  /** The device no longer keeps the subscription; it is asked again later, and until then the caller should poll. */
  onLapse(error: UpnpError): void;
  /** After a lapse events flow again. */
  onRestored?(): void;
}

/** A route on a callback server, for one subscription. */
export interface EventRoute {
  readonly server: CallbackServer;
  readonly token: string;
}

export interface SubscriptionParts {
  network: Network;
  request: SubscribeOptions;
  renewFraction: number;
  /** The first pause before a lapsed subscription is asked for again; it doubles up to 30 minutes. */
  retryMs: number;
  /** Opens a route on the address of ours that reaches the device now. */
  openRoute(subscription: LiveSubscription): Promise<EventRoute>;
  closeRoute(route: EventRoute): void;
  onFault(error: unknown): void;
}

const requestDeadlineMs = 10_000;
const farewellDeadlineMs = 2000;
const defaultGrantSeconds = 1800;
const maxHeld = 8;
const maxHeldBytes = 256 * 1024;
const maxRetryMs = 30 * 60_000;
/** A publisher that counts wrongly would otherwise be subscribed to again with every event. */
const minResubscribeMs = 30_000;
/** However much a lapsed subscription is doubted, a device that just failed to grant it is left alone for this long. */
const minLapsedPauseMs = 5000;

export class LiveSubscription {
  readonly #parts: SubscriptionParts;
  readonly #ending = new AbortController();
  #route: EventRoute | undefined;
  #sid = '';
  #lastSeq: number | undefined;
  /** Events that came before the answer that tells their SID (E4). */
  #held: Notification[] = [];
  #asking = false;
  #working = false;
  #lapsed = false;
  #lapsedAtMs = Number.NEGATIVE_INFINITY;
  #retries = 0;
  #resubscribedAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
  }

  /** The identifier that the device gave; empty while there is none. */
  get sid(): string {
    return this.#sid;
  }

  get route(): EventRoute | undefined {
    return this.#route;
  }

  get #network(): Network {
    return this.#parts.request.network ?? this.#parts.network;
  }

  /** @throws UpnpError when the device does not grant it: such a device is to be polled (E11) */
  async open(): Promise<void> {
    try {
      await this.#subscribe();
    } catch (error) {
      await this.cancel();
      throw error;
    }
  }

  /** UNSUBSCRIBE, with a short deadline; what the device answers does not matter. */
  async cancel(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    await this.#leave();
  }

  /** Subscribes anew, as after a change of our address (E22). */
  async reopen(): Promise<void> {
    await this.#exclusively(() => this.#subscribeAnew());
  }

  /** Renews now: a device that was off has forgotten us and does not say so. What has lapsed is asked for without its pause. */
  async probe(): Promise<SubscriptionProbe> {
    if (this.#ending.signal.aborted) return 'unknown';
    const before = this.#sid;
    if (!this.#lapsed && before !== '') await this.#exclusively(() => this.#keep());
    else if (performance.now() - this.#lapsedAtMs >= minLapsedPauseMs)
      await this.#exclusively(() => this.#subscribeAnew());
    if (this.#lapsed || this.#sid === '') return 'unknown';
    return this.#sid === before ? 'kept' : 'renewed';
  }

  /** Whether an event with this SID is ours. One without SID is, for its token is (E15). */
  accepts(sid: string | undefined): boolean {
    return !this.#ending.signal.aborted && (sid === undefined || sid === this.#sid || this.#asking);
  }

  receive(notification: Notification): void {
    if (notification.sid !== undefined && notification.sid !== this.#sid) {
      if (this.#asking) this.#hold(notification);
      return;
    }
    const seq = parseSeq(notification.seq);
    const place = seqPlaceOf(seq, this.#lastSeq);
    if (place === 'duplicate') return;
    this.#lastSeq = seq ?? this.#lastSeq;
    const variables = readPropertySet(notification.body, charsetOf(notification.contentType));
    this.#tell(() => this.#parts.request.onEvent({ seq, variables }));
    if (place === 'gap') void this.#closeGap();
  }

  #hold(notification: Notification): void {
    const bytes = this.#held.reduce((sum, held) => sum + held.body.length, notification.body.length);
    if (this.#held.length < maxHeld && bytes <= maxHeldBytes) this.#held.push(notification);
  }

  async #closeGap(): Promise<void> {
    if (performance.now() - this.#resubscribedAtMs >= minResubscribeMs) {
      this.#resubscribedAtMs = performance.now();
      await this.reopen();
    }
    if (!this.#ending.signal.aborted) this.#tell(() => this.#parts.request.onGap());
  }

  async #subscribe(): Promise<void> {
    const route = await this.#parts.openRoute(this);
    this.#route = route;
    this.#lastSeq = undefined;
    const headers = [
      ['CALLBACK', `<${route.server.urlOf(route.token)}>`],
      ['NT', 'upnp:event'],
      ['TIMEOUT', this.#timeout()],
    ] as const;
    const answer = await this.#ask(headers);
    const sid = answer.headers.get('sid');
    if (sid === undefined || sid === '')
      throw new UpnpError('malformed', 'The device granted a subscription without SID');
    this.#granted(sid, answer);
  }

  /** SID and TIMEOUT only: with NT or CALLBACK it would be a mistake (E7). */
  async #renew(): Promise<void> {
    const answer = await this.#ask([
      ['SID', this.#sid],
      ['TIMEOUT', this.#timeout()],
    ]);
    // Some leave the SID out, some give a new one (E8).
    this.#granted(answer.headers.get('sid') || this.#sid, answer);
  }

  async #ask(headers: readonly (readonly [string, string])[]): Promise<HttpAnswer> {
    this.#asking = true;
    try {
      const answer = await this.#network.request({
        method: 'SUBSCRIBE',
        url: this.#parts.request.eventSubUrl,
        headers,
        deadlineMs: requestDeadlineMs,
        signal: this.#ending.signal,
      });
      if (answer.status === 200) return answer;
      throw new UpnpError('refused', `The device answered SUBSCRIBE with HTTP status ${answer.status}`, {
        httpStatus: answer.status,
      });
    } finally {
      this.#asking = false;
    }
  }

  #granted(sid: string, answer: HttpAnswer): void {
    this.#sid = sid;
    this.#retries = 0;
    this.#schedule(renewalMs(answer.headers.get('timeout'), this.#parts.renewFraction), () => this.#keep());
    const held = this.#held;
    this.#held = [];
    for (const notification of held) if (notification.sid === sid) this.receive(notification);
  }

  /** Renews; where the device has forgotten us, or answers any error, subscribes anew once (E9, E10). */
  async #keep(): Promise<void> {
    try {
      await this.#renew();
    } catch (error) {
      if (error instanceof UpnpError && error.kind === 'unreachable') {
        this.#lapse(error);
        return;
      }
      // It does not know this SID, so there is nothing to leave.
      this.#sid = '';
      await this.#subscribeAnew();
      if (!this.#lapsed && !this.#ending.signal.aborted) this.#tell(() => this.#parts.request.onGap());
    }
  }

  async #subscribeAnew(): Promise<void> {
    try {
      await this.#leave();
      await this.#subscribe();
      if (this.#lapsed) this.#tell(() => this.#parts.request.onRestored?.());
      this.#lapsed = false;
    } catch (error) {
      if (!(error instanceof UpnpError)) throw error;
      this.#lapse(error);
    }
  }

  #lapse(error: UpnpError): void {
    if (this.#ending.signal.aborted) return;
    const times = { firstMs: this.#parts.retryMs, capMs: maxRetryMs, spread: [0.75, 1.25] } as const;
    this.#schedule(backOffMs(times, this.#retries++), () => this.#subscribeAnew());
    if (!this.#lapsed) this.#tell(() => this.#parts.request.onLapse(error));
    this.#lapsed = true;
    this.#lapsedAtMs = performance.now();
  }

  /** Forgets the subscription here, then tells the device (E21). */
  async #leave(): Promise<void> {
    const sid = this.#sid;
    this.#sid = '';
    if (this.#route !== undefined) this.#parts.closeRoute(this.#route);
    this.#route = undefined;
    this.#held = [];
    if (sid === '') return;
    const goodbye = { method: 'UNSUBSCRIBE', url: this.#parts.request.eventSubUrl, headers: [['SID', sid]] as const };
    await this.#network.request({ ...goodbye, deadlineMs: farewellDeadlineMs }).catch((error: unknown) => {
      if (!(error instanceof UpnpError)) throw error;
    });
  }

  #schedule(delayMs: number, work: () => Promise<void>): void {
    clearTimeout(this.#timer);
    if (!this.#ending.signal.aborted) this.#timer = setTimeout(() => void this.#exclusively(work), delayMs);
  }

  /** One conversation with the device at a time; whoever comes second finds it done. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    if (this.#working || this.#ending.signal.aborted) return;
    this.#working = true;
    clearTimeout(this.#timer);
    try {
      await work();
    } catch (error) {
      this.#parts.onFault(error);
    } finally {
      this.#working = false;
    }
  }

  /** A fault of the caller's must not reach the socket that the event came from (Z20). */
  #tell(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.#parts.onFault(error);
    }
  }

  #timeout(): string {
    return `Second-${Math.max(1, Math.round(this.#parts.request.timeoutSeconds ?? defaultGrantSeconds))}`;
  }
}

/** When to renew what was granted: well before its end, and not all at once. Infinite or missing counts as 1800 s (E6, E24). */
export function renewalMs(timeoutHeader: string | undefined, fraction: number): number {
  const granted = Number(/^\s*second-(\d{1,9})\s*$/i.exec(timeoutHeader ?? '')?.[1] ?? defaultGrantSeconds);
  const seconds = Math.min(86_400, granted === 0 ? defaultGrantSeconds : granted);
  return Math.max(250, seconds * 1000 * fraction * (0.9 + Math.random() * 0.2));
}
