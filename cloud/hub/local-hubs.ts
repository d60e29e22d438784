// All homes in one process: a hub is made by the first request for its home, and kept.
import { GatewayError } from '../../protocol/errors.ts';
import { HomeHub } from './home-hub.ts';
import type { HubDeps } from './hub-deps.ts';
import { type HomeHandle, type Hubs, homeHandle, invokeOperation } from './hubs.ts';

/** Spreads the reconnects of a drained fleet: 500 agents a second. */
const shortestSpreadMs = 2_000;
const spreadMsEach = 2;
/** How often the agents of watched homes are probed. */
const probeIntervalMs = 5_000;

export class LocalHubs implements Hubs {
  readonly #deps: HubDeps;
  readonly #hubs = new Map<string, Promise<HomeHub>>();
  readonly #made = new Map<string, HomeHub>();
  #cancelProbe: (() => void) | undefined;

  constructor(deps: HubDeps) {
    this.#deps = deps;
  }

  async stop(): Promise<void> {
    this.#cancelProbe?.();
    this.#made.clear();
    const hubs = await Promise.allSettled(this.#hubs.values());
    const spreadMs = Math.max(shortestSpreadMs, hubs.length * spreadMsEach);
    await Promise.all(hubs.map((hub) => (hub.status === 'fulfilled' ? hub.value.stop(spreadMs) : undefined)));
    this.#hubs.clear();
  }

  /** @throws `not-found` */
  async hub(home: string): Promise<HomeHub> {
    let hub = this.#hubs.get(home);
    if (hub === undefined) {
      hub = this.#make(home);
      this.#hubs.set(home, hub);
      // No such home, or no store: the next request tries again.
      hub.catch(() => this.#hubs.delete(home));
    }
    return hub;
  }

  home(id: string): HomeHandle {
    return (
      this.#made.get(id) ??
      homeHandle(async (operation, args) => {
        // A home without a hub has no watchers, and revoking a token must not wait for a hub to start.
        if (operation === 'endWatches' && !this.#hubs.has(id)) return;
        return invokeOperation(await this.hub(id), operation, args);
      })
    );
  }

  async #make(home: string): Promise<HomeHub> {
    if ((await this.#deps.store.homes.get(home)) === undefined) {
      throw new GatewayError('not-found', 'There is no such home.');
    }
    const hub = new HomeHub(home, this.#deps);
    await hub.start();
    this.#made.set(home, hub);
    if (this.#made.size === 1) this.#scheduleProbe();
    return hub;
  }

  #scheduleProbe(): void {
    this.#cancelProbe = this.#deps.deadlines.after(probeIntervalMs, () => {
      for (const hub of this.#made.values()) hub.probeIfWatched();
      this.#scheduleProbe();
    });
  }
}
