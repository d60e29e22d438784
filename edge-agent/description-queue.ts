// Which descriptions are fetched, and when: a flood of announcements must not become a flood of requests, neither to the
// phone whose address it borrows nor instead of the phone that is waited for (requirements S1, Z11).

export interface DescriptionJob {
  /** The URL; one job at a time for each. */
  readonly location: string;
  /** The server behind it. */
  readonly host: string;
  /** `known-place`: where a phone of ours was last. `known-name`: a phone of ours, says whoever announced it. */
  readonly standing: 'known-place' | 'known-name' | 'unknown';
  /** Never rejects. */
  work(): Promise<void>;
}

const inFlight = 8;
const mostWaiting = 256;
/** Jobs that a host may cause at once, and then one each second; those with a known name are counted apart. */
const hostBurst = 8;
const hostRefillMs = 1000;
const mostHosts = 512;

export class DescriptionQueue {
  readonly #waiting: DescriptionJob[] = [];
  readonly #running = new Map<string, { readonly host: string; readonly done: Promise<void> }>();
  readonly #hosts = new Map<string, { left: number; atMs: number }>();
  #ordinary = 0;

  /** Puts a job in its turn; false where it is under way already, or the host has had its share. */
  add(job: DescriptionJob): boolean {
    if (this.#running.has(job.location) || this.#waiting.some(({ location }) => location === job.location))
      return false;
    if (!this.#isDue(job)) return false;
    if (job.standing === 'known-place') {
      this.#run(job);
      return true;
    }
    if (this.#waiting.length >= mostWaiting) this.#waiting.pop();
    if (job.standing === 'known-name') this.#waiting.unshift(job);
    else this.#waiting.push(job);
    this.#next();
    return true;
  }

  /** Forgets what waits, and resolves when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#waiting.length = 0;
    await Promise.all([...this.#running.values()].map(({ done }) => done));
  }

  #next(): void {
    while (this.#ordinary < inFlight) {
      // One at a time for each host, so that one that hangs holds up itself alone.
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
    const key = standing === 'unknown' ? host : standing === 'known-name' ? `${host} known` : location;
    const before = this.#hosts.get(key) ?? { left: hostBurst, atMs: nowMs };
    const left = Math.min(hostBurst, before.left + (nowMs - before.atMs) / hostRefillMs);
    this.#hosts.delete(key);
    this.#hosts.set(key, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    const [oldest] = this.#hosts.keys();
    if (this.#hosts.size > mostHosts && oldest !== undefined) this.#hosts.delete(oldest);
    return left >= 1;
  }
}
