// The event subscription of one phone: subscribes, retries a refusal, and replaces a subscription that may be lost.
import type { GenaEvent, GenaSubscriber, Subscription, SubscriptionProbe } from './upnp/eventing/gena.ts';
import type { Network } from './upnp/network/network.ts';

export interface PhoneSubscriptionOptions {
  readonly subscriber: GenaSubscriber;
  readonly network: Network;
  /** Undefined when the service offers no events. */
  readonly eventSubUrl: string | undefined;
  onEvent(event: GenaEvent): void;
  /** Events were lost. */
  onGap(): void;
  /** The phone had lost the subscription and granted a new one. */
  onRenewed(): void;
  /** Whether events arrive; without them the phone must be polled. */
  onEvents(hasEvents: boolean): void;
  report(line: string): void;
}

/** Retries a refused subscription after this: the phone may have been busy. */
const retryMs = 5 * 60_000;
/** Minimum time between replacements: a sync may always find a message before its event arrives. */
const minReplaceGapMs = 60_000;

export class PhoneSubscription {
  readonly #options: PhoneSubscriptionOptions;
  #live = false;
  #isPolled = false;
  #subscription: Subscription | undefined;
  #subscribing: Promise<void> | undefined;
  #retry: NodeJS.Timeout | undefined;
  /** On the clock of `performance.now()`. */
  #replacedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: PhoneSubscriptionOptions) {
    this.#options = options;
  }

  /** Resolves when the phone has granted or refused the subscription; never rejects. */
  async start(): Promise<void> {
    this.#live = true;
    this.#subscribing = this.#subscribe();
    await this.#subscribing;
  }

  /** Cancels the subscription; the returned promise resolves when the phone knows. */
  async stop(): Promise<void> {
    this.#live = false;
    clearTimeout(this.#retry);
    await this.#subscribing;
    const subscription = this.#subscription;
    this.#subscription = undefined;
    await subscription?.cancel();
  }

  /** Renews an existing subscription in the background: a phone that was off drops it silently. */
  renew(): void {
    void this.#subscription?.probe();
  }

  /** Whether the phone still keeps the subscription, or grants it now. Never rejects. */
  async probe(): Promise<SubscriptionProbe> {
    await this.#subscribing;
    if (!this.#live) return 'unknown';
    if (this.#subscription === undefined) {
      this.#subscribing = this.#subscribe();
      await this.#subscribing;
      return this.#subscription === undefined ? 'unknown' : 'renewed';
    }
    const result = await this.#subscription.probe();
    if (result === 'renewed' && this.#live) this.#options.onRenewed();
    return result;
  }

  /** A change came without an event: the phone may have restarted unnoticed, or its events get lost. Or they are late. */
  onMissedEvent(): void {
    if (performance.now() - this.#replacedAtMs < minReplaceGapMs) return;
    this.#replacedAtMs = performance.now();
    this.#subscribing = this.#replace();
  }

  async #subscribe(): Promise<void> {
    const { subscriber, network, eventSubUrl, onEvent, onGap, report } = this.#options;
    clearTimeout(this.#retry);
    if (eventSubUrl === undefined) return this.#poll('offers no events');
    try {
      this.#subscription = await subscriber.subscribe({
        eventSubUrl,
        network,
        onEvent,
        onGap,
        onLapse: () => this.#poll('no longer sends events'),
        onRestored: () => this.#onRestored(),
      });
      this.#onRestored();
      report('sends events.');
    } catch {
      this.#poll('refuses to send events');
      if (!this.#live) return;
      this.#retry = setTimeout(() => {
        this.#subscribing = this.#subscribe();
      }, retryMs);
    }
  }

  async #replace(): Promise<void> {
    await this.#subscribing;
    const before = this.#subscription;
    if (before === undefined || !this.#live) return;
    this.#subscription = undefined;
    await before.cancel();
    if (this.#live) await this.#subscribe();
  }

  #onRestored(): void {
    this.#isPolled = false;
    this.#options.onEvents(true);
  }

  #poll(reason: string): void {
    if (!this.#live || this.#isPolled) return;
    this.#isPolled = true;
    this.#options.report(`${reason}, so it is polled instead.`);
    this.#options.onEvents(false);
  }
}
