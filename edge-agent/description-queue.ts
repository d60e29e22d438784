// Schedules description fetches: a flood of announcements must not become a flood of requests, neither to a phone whose
// address it forges nor in place of a phone that is waited for (requirements S1, Z11).

export interface DescriptionJob {
  /** The URL; at most one job per URL. */
  readonly location: string;
  /** The server of the URL. */
  readonly host: string;
  /** `known-location`: where a phone of ours was last. `known-udn`: advertised with the UDN of a phone of ours. */
  readonly standing: 'known-location' | 'known-udn' | 'unknown';
  /** Never rejects. */
  work(): Promise<void>;
}

const maxInFlight = 8;
const maxWaiting = 256;
/** Token bucket per host: a burst of 8, then one job per second. Jobs with a known UDN are counted separately. */
const hostBurst = 8;
const hostRefillMs = 1000;
const maxHosts = 512;

export class DescriptionQueue {
  readonly #waiting: DescriptionJob[] = [];
  readonly #running = new Map<string, { readonly host: string; readonly done: Promise<void> }>();
  readonly #hosts = new Map<string, { left: number; atMs: number }>();
  #ordinary = 0;

  /** Queues a job; false when it is already queued or running, or its host is over its rate. */
  add(job: DescriptionJob): boolean {
    if (this.#running.has(job.location) || this.#waiting.some(({ location }) => location === job.location))
      return false;
    if (!this.#isDue(job)) return false;
    if (job.standing === 'known-location') {
      this.#run(job);
      return true;
    }
    if (this.#waiting.length >= maxWaiting) this.#waiting.pop();
    if (job.standing === 'known-udn') this.#waiting.unshift(job);
    else this.#waiting.push(job);
    this.#next();
    return true;
  }

  /** Drops queued jobs, and resolves when none is running. */
  async stop(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #next(): void {
    while (this.#ordinary < maxInFlight) {
      // One at a time per host, so that a hanging host delays only itself.
      const busy = new Set([...this.#running.values()].map(({ host }) => host));
      const at = this.#waiting.findIndex(({ host }) => !busy.has(host));
      const job = this.#waiting[at];
      if (job === undefined) return;
      this.#waiting.splice(at, 1);
      this.#ordinary++;
      this.#run(job, () => this.#ordinary--);
    }
  }

  #run(job: DescriptionJob, onDone: () => void = () => undefined): void {
    const { location, host } = job;
    const done = job.work().finally(() => {
      this.#running.delete(location);
      onDone();
      this.#next();
    });
    this.#running.set(location, { host, done });
  }

  #isDue({ host, standing, location }: DescriptionJob): boolean {
    const nowMs = performance.now();
    const key = standing === 'unknown' ? host : standing === 'known-udn' ? `${host} known` : location;
    const before = this.#hosts.get(key) ?? { left: hostBurst, atMs: nowMs };
    const left = Math.min(hostBurst, before.left + (nowMs - before.atMs) / hostRefillMs);
    this.#hosts.delete(key);
    this.#hosts.set(key, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > maxHosts && oldest !== undefined) this.#hosts.delete(oldest);
    return left >= 1;
  }
}
