// Probes whether one phone is up and keeps our subscription: every few seconds, and at once when in doubt.
// SSDP can be forged, so it only causes probes, at a rate that the phone can bear (requirement Z12).
import type { SubscriptionProbe } from './upnp/eventing/gena.ts';

/** `hung`: the phone accepted the connection and stayed silent. `absent`: no connection, or another device answers there. */
export type ProbeResult = 'here' | 'hung' | 'absent';

export interface PulseOptions {
  /** Fetches the phone's description. Never rejects. */
  probe(): Promise<ProbeResult>;
  /** Checks that the phone keeps the subscription. Never rejects. */
  probeSubscription(): Promise<SubscriptionProbe>;
  /** An action is in flight: a phone that serves one request at a time answers no probe during it. */
  hasActionInFlight(): boolean;
  /** Called again when the kind changes. */
  onSilent(kind: 'hung' | 'absent'): void;
  onBack(): void;
  /** The phone said goodbye and no longer answers. */
  onLeft(): void;
}

/** With a second probe after `retryMs` and 3 s per answer, an absent phone is detected within 13 s. */
const everyMs = 5000;
const retryMs = 1000;
/** A phone that was away for this long announces itself when it returns. */
const idleAfterMs = 10 * 60_000;
const idleEveryMs = 30_000;
/** How long an action in flight excuses silence: a frozen phone must be reported within 15 s too. */
const actionExcusesMs = 12_000;
/** Probe times after a goodbye: the phone may still answer for a moment, or return a moment later. */
const afterGoodbyeMs = [0, 1000, 3000, 10_000];
/** Minimum time between needless renewals that only an announcement caused. */
const needlessPauseMs = 60_000;
/** Announcements within this time after a (re)subscription belong to the same start and are ignored. */
const settledMs = 5000;
const evidencePauseMs = 2000;
/** A server that regularly closes idle connections has not restarted; after this many cases, stop reacting. */
const maxNeedlessLosses = 2;

export class PhonePulse {
  readonly #options: PulseOptions;
  #live = false;
  #timer: NodeJS.Timeout | undefined;
  #goodbye: NodeJS.Timeout | undefined;
  #probeTimer: NodeJS.Timeout | undefined;
  #missedProbes = 0;
  #silence: 'hung' | 'absent' | undefined;
  #isCheckingSubscription = false;
  #isChecking = false;
  #hasLostConnection = false;
  #needlessLosses = 0;
  /** On the clock of `performance.now()`, as all times below. */
  #lastBytesMs = performance.now();
  #lastProbeMs = 0;
  #silentSinceMs = 0;
  #announcementsFromMs = 0;
  #probeDueMs = 0;
  #settledUntilMs = 0;
  #evidenceFromMs = 0;
  #goodbyeFromMs = 0;

  constructor(options: PulseOptions) {
    this.#options = options;
  }

  /** Call once the phone is found and subscribed to. */
  start(): void {
    this.#live = true;
    this.#settledUntilMs = performance.now() + settledMs;
    // The first probe opens the keep-alive connection whose end signals a restart.
    this.#schedule(0);
  }

  stop(): void {
    this.#live = false;
    for (const timer of [this.#timer, this.#goodbye, this.#probeTimer]) clearTimeout(timer);
  }

  /** Bytes of any kind arrived from the phone. */
  onBytes(): void {
    this.#lastBytesMs = performance.now();
  }

  /** The phone was announced again: it may have restarted, with or without a new BOOTID. */
  onAnnounced(hasRebooted: boolean): void {
    if (!this.#live) return;
    if (this.#silence !== undefined) this.#schedule(Math.max(0, this.#lastProbeMs + retryMs - performance.now()));
    else if (hasRebooted || performance.now() >= this.#settledUntilMs) this.#scheduleCheck(this.#announcementsFromMs);
  }

  /** The phone closed an idle connection; no other machine on the LAN can forge that. */
  onConnectionLost(): void {
    if (!this.#live || this.#silence !== undefined || this.#needlessLosses >= maxNeedlessLosses) return;
    this.#onEvidence(true);
  }

  /** The phone is leaving, or just restarted: probe until it is clear which. */
  onGoodbye(): void {
    const nowMs = performance.now();
    if (!this.#live || this.#goodbye !== undefined || nowMs < this.#goodbyeFromMs) return;
    this.#probeAfterGoodbye(nowMs, 0);
  }

  #probeAfterGoodbye(sinceMs: number, step: number): void {
    const dueMs = sinceMs + (afterGoodbyeMs[step] ?? 0) - performance.now();
    this.#goodbye = setTimeout(
      async () => {
        const isThere = (await this.#options.probe()) === 'here';
        if (!this.#live) return;
        if (!isThere && step > 0) {
          this.#goodbye = undefined;
          this.#options.onLeft();
          return;
        }
        if (!isThere) this.#missedProbes = Math.max(1, this.#missedProbes);
        else this.#answered();
        if (step + 1 < afterGoodbyeMs.length) {
          this.#probeAfterGoodbye(sinceMs, step + 1);
          return;
        }
        this.#goodbye = undefined;
        this.#goodbyeFromMs = performance.now() + needlessPauseMs;
        this.#scheduleCheck(this.#announcementsFromMs);
      },
      Math.max(0, dueMs),
    );
  }

  #schedule(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#check(), ms);
  }

  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    this.#lastProbeMs = performance.now();
    const answer = await this.#options.probe();
    this.#isChecking = false;
    if (!this.#live) return;
    if (answer === 'here') this.#answered();
    else this.#unanswered(answer);
  }

  #answered(): void {
    const wasMissed = this.#missedProbes > 0;
    this.onBytes();
    this.#missedProbes = 0;
    this.#schedule(everyMs);
    if (this.#silence !== undefined) {
      this.#silence = undefined;
      this.#options.onBack();
    } else if (wasMissed) this.#onEvidence(false);
  }

  #unanswered(kind: 'hung' | 'absent'): void {
    this.#missedProbes++;
    const nowMs = performance.now();
    const isExcused = this.#options.hasActionInFlight() && nowMs - this.#lastBytesMs < actionExcusesMs;
    if (this.#silence === undefined && (this.#missedProbes === 1 || isExcused)) {
      this.#schedule(retryMs);
      return;
    }
    if (this.#silence === undefined) this.#silentSinceMs = nowMs;
    const hasChanged = this.#silence !== kind;
    this.#silence = kind;
    this.#schedule(nowMs - this.#silentSinceMs < idleAfterMs ? everyMs : idleEveryMs);
    if (hasChanged) this.#options.onSilent(kind);
  }

  /** Evidence that only the phone itself, or its absence, can produce. */
  #onEvidence(isConnection: boolean): void {
    this.#hasLostConnection ||= isConnection;
    this.#scheduleCheck(this.#evidenceFromMs);
  }

  /** Schedules a probe; the earliest of several wins, and none is dropped for a later one. */
  #scheduleCheck(fromMs: number): void {
    const dueMs = Math.max(fromMs, performance.now());
    if (this.#probeTimer !== undefined && this.#probeDueMs <= dueMs) return;
    clearTimeout(this.#probeTimer);
    this.#probeDueMs = dueMs;
    this.#probeTimer = setTimeout(
      () => {
        this.#probeTimer = undefined;
        void this.#checkSubscription();
      },
      Math.max(0, dueMs - performance.now()),
    );
  }

  /** Probes the phone first: a phone that cannot answer now may still keep the subscription. */
  async #checkSubscription(): Promise<void> {
    if (!this.#live) return;
    if (this.#isCheckingSubscription) {
      this.#scheduleCheck(performance.now() + evidencePauseMs);
      return;
    }
    this.#isCheckingSubscription = true;
    const hadLostConnection = this.#hasLostConnection;
    this.#hasLostConnection = false;
    this.#evidenceFromMs = performance.now() + evidencePauseMs;
    this.#announcementsFromMs = performance.now() + needlessPauseMs;
    try {
      const answer = await this.#options.probe();
      if (answer !== 'here') {
        if (this.#live && this.#silence === undefined) this.#unanswered(answer);
        return;
      }
      const result = this.#live ? await this.#options.probeSubscription() : 'unknown';
      if (hadLostConnection) this.#needlessLosses = result === 'kept' ? this.#needlessLosses + 1 : 0;
      if (result !== 'renewed') return;
      this.#settledUntilMs = performance.now() + settledMs;
      this.#announcementsFromMs = this.#settledUntilMs;
    } finally {
      this.#isCheckingSubscription = false;
    }
  }
}
