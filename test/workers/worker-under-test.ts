// The deployed Worker with another store, for tests in workerd.
import { type HomeObjectDeps, HomeObjectBase as HomeObjectOf } from '../../cloud/hosts/home-object.ts';
import { lineLog } from '../../cloud/hosts/node-log.ts';
import { WorkerHost } from '../../cloud/hosts/worker-host.ts';
import type { Homes } from '../../cloud/hosts/worker-hubs.ts';
import { SharedStore } from '../../cloud/hosts/worker-store.ts';
import type { Store } from '../../cloud/store/store.ts';
import { remoteStore } from './remote-store.ts';

export interface TestEnv {
  HOMES: DurableObjectNamespace<HomeObject>;
  ASSETS: Fetcher;
  FILES: R2Bucket;
  STORE_URL: string;
  /** Names a store whose homes were made before, if any. */
  STORE_NAME?: string;
}

export const ownerToken = 'hl_owner-token-of-the-tests-0123456789abcdef';
export const logged: string[] = [];
const log = lineLog('info', (line) => logged.push(line));
let name: string | undefined;
let shared: SharedStore | undefined;
let host: WorkerHost | undefined;

/** One store an isolate, which is a test file. */
function storeOf(env: TestEnv): SharedStore {
  name ??= env.STORE_NAME ?? crypto.randomUUID();
  shared ??= new SharedStore(remoteStore(`${env.STORE_URL}/${name}`));
  return shared;
}

/** The store itself, for changes that bypass the API. */
export function storePastApi(env: TestEnv): Promise<Store> {
  return storeOf(env).open();
}

/** As in a new isolate. */
export function forgetStore(): void {
  shared = undefined;
}

export class HomeObject extends HomeObjectOf<TestEnv> {
  protected override deps(): HomeObjectDeps {
    return { store: storeOf(this.env), log };
  }
}

declare global {
  namespace Cloudflare {
    interface Env extends TestEnv {}
    interface GlobalProps {
      mainModule: { default: typeof worker };
    }
  }
}

const worker = {
  async fetch(request, env, ctx) {
    host ??= new WorkerHost({
      store: storeOf(env),
      homes: env.HOMES as unknown as Homes,
      assets: env.ASSETS,
      log,
      home: 'home',
      ownerToken,
      baseUrl: undefined,
    });
    return host.fetch(request, ctx);
  },
} satisfies ExportedHandler<TestEnv>;

export default worker;
