// The Store of tests in workerd: asks store-service.ts, so that every operation is a real request with real waiting.
import type { Clock, Store } from '../../cloud/store/store.ts';
import { GatewayError } from '../../protocol/errors.ts';

/** How the store behaves, and what was asked of it; shared by all who use the same isolate. */
export const remote = {
  asked: [] as string[],
  /** How many commits were under way at once, at most. */
  mostCommits: 0,
  /** While set, operations wait for it, then fail with its error if it has one. */
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
  // Every store numbers the events of a home's commits in the order in which these began. Homes have nothing to wait for
  // from each other, and what one object awaits, another must not keep.
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
  return new Proxy({} as Store, {
    get: (_, operation) => {
      switch (operation) {
        case 'id':
          return id;
        case 'start':
          return async () => {
            id = String(await ask('id', []));
          };
        case 'commit':
          return commit;
        case 'then':
          return undefined;
        default:
          return (...given: unknown[]) => ask(String(operation), given);
      }
    },
  });
}
