// The Store of tests in workerd: asks store-service.ts, so that every operation is a real request with real waiting.
import type { Store } from '../../cloud/store/store.ts';
import { GatewayError } from '../../protocol/errors.ts';

/** How the store behaves, and what was asked of it; shared by all who use the same isolate. */
export const remote = {
  asked: [] as string[],
  /** While set, operations wait for it, then fail with its error if it has one. */
  gate: undefined as ((operation: string) => Promise<void>) | undefined,
};

export function remoteStore(url: string): Store {
  let id = '';
  const ask = async (operation: string, given: unknown[]): Promise<unknown> => {
    remote.asked.push(operation);
    await remote.gate?.(operation);
    const answer = await fetch(`${url}/${operation}`, { method: 'POST', body: JSON.stringify(given) });
    const { value, fault } = await answer.json<{ value?: unknown; fault?: { code: string; detail: string } }>();
    if (fault !== undefined) throw new GatewayError(fault.code as 'internal', fault.detail);
    return value;
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
        case 'then':
          return undefined;
        default:
          return (...given: unknown[]) => ask(String(operation), given);
      }
    },
  });
}
