// SqliteStore for tests in workerd, which has no files: each operation is a request to this process.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { SqliteStore } from '../../cloud/store/sqlite.ts';
import { GatewayError } from '../../protocol/errors.ts';

interface Kept {
  store: SqliteStore;
  /** The caller's time. */
  clock: { nowMs: number; now(): number };
}

/** `/<store>/<operation>`: a new store for each new name. */
export class StoreService {
  readonly #folder = mkdtempSync(join(tmpdir(), 'homeline-store-'));
  readonly #stores = new Map<string, Promise<Kept>>();
  /** How often each operation was called. */
  readonly asked = new Map<string, number>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  /** Answers its address. */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The store of this name, to prepare data in. */
  async open(name: string): Promise<SqliteStore> {
    return (await this.#store(name)).store;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    for (const kept of this.#stores.values()) await (await kept).store.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = '', operation = ''] = (request.url ?? '').split('/');
    this.asked.set(operation, (this.asked.get(operation) ?? 0) + 1);
    try {
      const { nowMs, given }: { nowMs: number; given: unknown[] } = JSON.parse(await text(request));
      const { store, clock } = await this.#store(name);
      clock.nowMs = nowMs;
      const value = await operationOf(store, operation)(...given.map((one) => one ?? undefined));
      response.end(JSON.stringify({ value }));
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : 'internal';
      response.end(JSON.stringify({ fault: { code, detail: String(error) } }));
    }
  }

  #store(name: string): Promise<Kept> {
    let kept = this.#stores.get(name);
    if (kept === undefined) {
      const clock = { nowMs: 0, now: () => clock.nowMs };
      const store = new SqliteStore({ path: join(this.#folder, `${name}.db`), clock });
      kept = store.start().then(() => ({ store, clock }));
      this.#stores.set(name, kept);
    }
    return kept;
  }
}

/** `operation`: such as `commit` or `messages.list`. */
function operationOf(store: SqliteStore, operation: string): (...given: unknown[]) => Promise<unknown> {
  if (operation === 'id') return async () => store.id;
  const [name = '', inner] = operation.split('.');
  const owner: unknown = inner === undefined ? store : Reflect.get(store, name);
  return Reflect.get(owner as object, inner ?? name).bind(owner);
}
