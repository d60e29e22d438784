// The Store of tests in workerd: each operation is a request to store-service.ts, with real latency.
import type { Clock } from '../../cloud/store/clock.ts';
import type { Store } from '../../cloud/store/store.ts';
import { GatewayError } from '../../protocol/errors.ts';
import type { HomeEvent } from '../../protocol/model.ts';

/** The store's behaviour and the operations it was asked for, per isolate. */
export const remote = {
  asked: [] as string[],
  /** The highest number of concurrent commits. */
  mostCommits: 0,
  /** While set, operations wait for it and fail with its error, if any. */
  gate: undefined as ((operation: string) => Promise<void>) | undefined,
};

export function remoteStore(url: string, clock: Clock = Date): Store {
  let id = '';
  const ask = async (operation: string, given: unknown[]): Promise<unknown> => {
    remote.asked.push(operation);
    await remote.gate?.(operation);
    const answer = await fetch(`${url}/${operation}`, {
      method: 'POST',
      body: JSON.stringify({ nowMs: clock.now(), given }),
    });
    const { value, fault } = await answer.json<{ value?: unknown; fault?: { code: string; detail: string } }>();
    if (fault !== undefined) throw new GatewayError(fault.code as 'internal', fault.detail);
    return value;
  };
  // Every store numbers a home's events in the order in which the commits began. The queue is per home, because in workerd
  // one object must not await the promise of another.
  const committed = new Map<unknown, Promise<unknown>>();
  let commits = 0;
  const commit = (...given: unknown[]) => {
    const [home] = given;
    remote.mostCommits = Math.max(remote.mostCommits, ++commits);
    const asked = (committed.get(home) ?? Promise.resolve())
      .then(() => ask('commit', given))
      .finally(() => {
        commits--;
        if (committed.get(home) === settled) committed.delete(home);
      });
    const settled = asked.catch(() => undefined);
    committed.set(home, settled);
    return asked;
  };
  const part = <Part extends object>(name: keyof Store): Part =>
    new Proxy({} as Part, {
      get:
        (_, operation) =>
        (...given: unknown[]) =>
          ask(`${name}.${String(operation)}`, given),
    });
  return {
    homes: part('homes'),
    tokens: part('tokens'),
    phones: part('phones'),
    messages: part('messages'),
    conversations: part('conversations'),
    sessions: part('sessions'),
    events: part('events'),
    requests: part('requests'),
    get id() {
      return id;
    },
    start: async () => {
      id = String(await ask('id', []));
    },
    stop: async () => void (await ask('stop', [])),
    ping: async () => void (await ask('ping', [])),
    commit: (...given) => commit(...given) as Promise<HomeEvent[]>,
  };
}
