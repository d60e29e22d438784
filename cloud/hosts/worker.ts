// The cloud on Cloudflare: DynamoDB stores, R2 holds large texts, and each home is a Durable Object.
import type { Log } from '../hub/hub-deps.ts';
import { DynamoStore, newDynamoClient } from '../store/dynamo.ts';
import { type HomeObjectDeps, HomeObjectBase as HomeObjectOf } from './home-object.ts';
import { lineLog } from './node-log.ts';
import { R2Blobs } from './worker-blobs.ts';
import { WorkerHost } from './worker-host.ts';
import type { Homes } from './worker-hubs.ts';
import { readWorkerSettings } from './worker-settings.ts';
import { SharedStore } from './worker-store.ts';

/** Bindings of wrangler.toml; settings are variables beside them. */
export interface WorkerEnv {
  HOMES: Homes;
  ASSETS: Fetcher;
  FILES: R2Bucket;
}

/** Shared by all requests and objects of an isolate. */
class Isolate {
  readonly log: Log;
  readonly store: SharedStore;
  readonly host: WorkerHost;

  constructor(env: WorkerEnv) {
    const settings = readWorkerSettings({ ...env });
    const { accessKeyId, secretAccessKey, region, endpoint, table, home, ownerToken, baseUrl } = settings;
    const client = newDynamoClient({
      region,
      credentials: { accessKeyId, secretAccessKey },
      ...(endpoint !== undefined && { endpoint }),
    });
    this.log = lineLog(settings.log, (line) => console.log(line));
    this.store = new SharedStore(new DynamoStore({ client, table, blobs: new R2Blobs(env.FILES) }));
    this.host = new WorkerHost({
      store: this.store,
      homes: env.HOMES,
      assets: env.ASSETS,
      log: this.log,
      home,
      ownerToken,
      baseUrl,
      quotas: settings,
    });
  }
}

let isolate: Isolate | undefined;

function isolateOf(env: WorkerEnv): Isolate {
  isolate ??= new Isolate(env);
  return isolate;
}

export class HomeObject extends HomeObjectOf<WorkerEnv> {
  protected override deps(): HomeObjectDeps {
    return isolateOf(this.env);
  }
}

export default {
  async fetch(request, env, ctx) {
    let host: WorkerHost;
    try {
      host = isolateOf(env).host;
    } catch (error) {
      console.error(String(error));
      return new Response('The cloud is not set up yet: its log says what is missing.\n', { status: 500 });
    }
    return host.fetch(request, ctx);
  },
} satisfies ExportedHandler<WorkerEnv>;
