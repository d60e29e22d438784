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

/** `/<isolated>/<operation>`: every test file names its own store, and gets a fresh one. */
export class StoreService {
  readonly #folder = mkdtempSync(join(tmpdir(), 'homeline-store-'));
  readonly #stores = new Map<string, Promise<SqliteStore>>();
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  /** Answers the address. */
  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    for (const store of this.#stores.values()) await (await store).stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, name = '', operation = ''] = (request.url ?? '').split('/');
    try {
      const given: unknown[] = JSON.parse(await text(request)).map((value: unknown) => value ?? undefined);
      const store = await this.#store(name);
      const member = operation === 'id' ? async () => store.id : Reflect.get(store, operation);
      const value = await member.apply(store, given);
      response.end(JSON.stringify({ value }));
    } catch (error) {
      const code = error instanceof GatewayError ? error.code : 'internal';
      response.end(JSON.stringify({ fault: { code, detail: String(error) } }));
    }
  }

  #store(name: string): Promise<SqliteStore> {
    let store = this.#stores.get(name);
    if (store === undefined) {
      const opened = new SqliteStore({ path: join(this.#folder, `${name}.db`) });
      store = opened.start().then(() => opened);
      this.#stores.set(name, store);
    }
    return store;
  }
}
