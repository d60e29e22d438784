// Whether one phone is there and still keeps our subscription: asked every few seconds, and at once where there is doubt.
// SSDP can be forged, so it only makes us ask, and not more often than the phone bears (requirement Z12).
import type { SubscriptionProbe } from './upnp/eventing/gena.ts';

/** `hung`: it took the connection and said nothing. `absent`: no connection, or something else answers there. */
export type Answer = 'here' | 'hung' | 'absent';

export interface PulseOptions {
  /** Whether the phone answers with its own description. Never rejects. */
  ask(): Promise<Answer>;
  /** Whether it keeps the subscription; never rejects. */
  probeSubscription(): Promise<SubscriptionProbe>;
  /** An action is under way: a phone that serves one request at a time answers nothing else meanwhile. */
  isActing(): boolean;
  /** Called again where it changes from one kind to the other. */
  onSilent(kind: 'hung' | 'absent'): void;
  onBack(): void;
  /** It said goodbye and answers no more. */
  onLeft(): void;
}

/** With a second question after `againMs`, 3 s for each answer: a phone that is gone is known to be within 13 s. */
const everyMs = 5000;
const againMs = 1000;
/** A phone that has been away for long announces itself when it comes back. */
const idleAfterMs = 10 * 60_000;
const idleEveryMs = 30_000;
/** How long an action excuses silence: a frozen phone must be told within 15 s too. */
const actingExcusesMs = 12_000;
/** A phone that says goodbye may still answer for a moment, or be back a moment later. */
const afterGoodbyeMs = [0, 1000, 3000, 10_000];
/** Between two renewals that nobody but an announcement asked for and that were needless. */
const needlessPauseMs = 60_000;
/** The announcements that follow a start have said all they can once the subscription was made again. */
const settledMs = 5000;
const evidencePauseMs = 2000;
/** A server that closes idle connections proves nothing by it. */
const mostNeedlessLosses = 2;

export class PhonePulse {
  readonly #options: PulseOptions;
  #live = false;
  #timer: NodeJS.Timeout | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  #later: NodeJS.Timeout | undefined;
  #missed = 0;
  #silence: 'hung' | 'absent' | undefined;
  #isProbing = false;
  #isAsking = false;
  #hasLostConnection = false;
  #needlessLosses = 0;
  /** On the clock of `performance.now()`, here and below. */
  #lastSignMs = performance.now();
  #askedAtMs = 0;
  #silentSinceMs = 0;
  #announcedFromMs = 0;
  #laterAtMs = 0;
  #settledUntilMs = 0;
  #evidenceFromMs = 0;
  #goodbyeFromMs = 0;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** The phone has just been found, and subscribed to. */
  start(): void {
    this.#live = true;
    this.#settledUntilMs = performance.now() + settledMs;
    // The first question opens the connection whose end tells of a restart.
    this.#schedule(0);
  }

  stop(): void {
    this.#live = false;
    for (const timer of [this.#timer, this.#goodbye, this.#later]) clearTimeout(timer);
  }

  /** Bytes from the phone, of whatever kind. */
  heard(): void {
    this.#lastSignMs = performance.now();
  }

  /** It was announced again: it may have started again, with or without another BOOTID. */
  onAnnounced(hasRebooted: boolean): void {
    if (!this.#live) return;
    if (this.#silence !== undefined) this.#schedule(Math.max(0, this.#askedAtMs + againMs - performance.now()));
    else if (hasRebooted || performance.now() >= this.#settledUntilMs) this.#probeFrom(this.#announcedFromMs);
  }

  /** The phone ended an idle connection: nobody else on the LAN can do that for it. */
  onConnectionLost(): void {
    if (!this.#live || this.#silence !== undefined || this.#needlessLosses >= mostNeedlessLosses) return;
    this.#onEvidence(true);
  }

  /** What it said goodbye to is the network, or only its own past. Ask until it is clear which. */
  onGoodbye(): void {
    const nowMs = performance.now();
    if (!this.#live || this.#goodbye !== undefined || nowMs < this.#goodbyeFromMs) return;
    this.#askAfterGoodbye(nowMs, 0);
  }

  #askAfterGoodbye(sinceMs: number, step: number): void {
    const dueMs = sinceMs + (afterGoodbyeMs[step] ?? 0) - performance.now();
    this.#goodbye = setTimeout(
      async () => {
        const isThere = (await this.#options.ask()) === 'here';
        if (!this.#live) return;
        if (!isThere && step > 0) {
          this.#goodbye = undefined;
          this.#options.onLeft();
          return;
        }
        if (!isThere) this.#missed = Math.max(1, this.#missed);
        else this.#answered();
        if (step + 1 < afterGoodbyeMs.length) {
          this.#askAfterGoodbye(sinceMs, step + 1);
          return;
        }
        this.#goodbye = undefined;
        this.#goodbyeFromMs = performance.now() + needlessPauseMs;
        this.#probeFrom(this.#announcedFromMs);
      },
      Math.max(0, dueMs),
    );
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#beat(), ms);
  }

  async #beat(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#askedAtMs = performance.now();
    const answer = await this.#options.ask();
    this.#isAsking = false;
    if (!this.#live) return;
    if (answer === 'here') this.#answered();
    else this.#unanswered(answer);
  }

  #answered(): void {
    const wasMissed = this.#missed > 0;
    this.heard();
    this.#missed = 0;
    this.#schedule(everyMs);
    if (this.#silence !== undefined) {
      this.#silence = undefined;
      this.#options.onBack();
    } else if (wasMissed) this.#onEvidence(false);
  }

  #unanswered(kind: 'hung' | 'absent'): void {
    this.#missed++;
    const nowMs = performance.now();
    const isExcused = this.#options.isActing() && nowMs - this.#lastSignMs < actingExcusesMs;
    if (this.#silence === undefined && (this.#missed === 1 || isExcused)) {
      this.#schedule(againMs);
      return;
    }
    if (this.#silence === undefined) this.#silentSinceMs = nowMs;
    const isNews = this.#silence !== kind;
    this.#silence = kind;
    this.#schedule(nowMs - this.#silentSinceMs < idleAfterMs ? everyMs : idleEveryMs);
    if (isNews) this.#options.onSilent(kind);
  }

  /** Something that only the phone itself, or its absence, can have done. */
  #onEvidence(isConnection: boolean): void {
    this.#hasLostConnection ||= isConnection;
    this.#probeFrom(this.#evidenceFromMs);
  }

  /** Of several doubts the one that may be settled first counts; none is dropped for another that must wait. */
  #probeFrom(fromMs: number): void {
    const dueMs = Math.max(fromMs, performance.now());
    if (this.#later !== undefined && this.#laterAtMs <= dueMs) return;
    clearTimeout(this.#later);
    this.#laterAtMs = dueMs;
    this.#later = setTimeout(
      () => {
        this.#later = undefined;
        void this.#probe();
      },
      Math.max(0, dueMs - performance.now()),
    );
  }

  /** Asks first: one that cannot answer just now has not lost a subscription that it may still keep. */
  async #probe(): Promise<void> {
    if (!this.#live) return;
    if (this.#isProbing) {
      this.#probeFrom(performance.now() + evidencePauseMs);
      return;
    }
    this.#isProbing = true;
    const hadLostConnection = this.#hasLostConnection;
    this.#hasLostConnection = false;
    this.#evidenceFromMs = performance.now() + evidencePauseMs;
    this.#announcedFromMs = performance.now() + needlessPauseMs;
    try {
      const answer = await this.#options.ask();
      if (answer !== 'here') {
        if (this.#live && this.#silence === undefined) this.#unanswered(answer);
        return;
      }
      const proof = this.#live ? await this.#options.probeSubscription() : 'unknown';
      if (hadLostConnection) this.#needlessLosses = proof === 'kept' ? this.#needlessLosses + 1 : 0;
      if (proof !== 'renewed') return;
      this.#settledUntilMs = performance.now() + settledMs;
      this.#announcedFromMs = this.#settledUntilMs;
    } finally {
      this.#isProbing = false;
    }
  }
}
