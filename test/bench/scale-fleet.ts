// A fleet for scale.ts: one agent per home, with the real tunnel client and its full-jitter back-off.
import { Access } from '../../cloud/access/access.ts';
import type { Scope } from '../../cloud/access/scopes.ts';
import type { Store } from '../../cloud/store/store.ts';
import { TunnelClient } from '../../edge-agent/tunnel/client.ts';
import type { AgentDatabase } from '../../edge-agent/tunnel/database.ts';
import { Outbox } from '../../edge-agent/tunnel/outbox.ts';
import { messageId, phoneMessage, presence } from '../contract/messages.ts';

/** An agent without a LAN: its one phone sends no events and has no sessions. */
export class FleetAgent {
  readonly token: string;
  readonly #client: TunnelClient;
  #dialledMs = 0;
  #seq = 0;
  /** Time from the first dial to the welcome. */
  connectMs = 0;
  /** `performance.now()` of the last welcome. */
  welcomedMs = 0;
  welcomes = 0;
  onWelcome: () => void = () => {};

  /** The outbox stays empty, so all agents share one. */
  constructor(url: string, token: string, outbox: Outbox) {
    this.token = token;
    this.#client = new TunnelClient({
      url: `${url.replace(/^http/, 'ws')}/v1/tunnel`,
      token,
      software: 'bench',
      outbox,
      onWelcome: () => {
        this.welcomedMs = performance.now();
        this.connectMs = this.welcomedMs - this.#dialledMs;
        this.welcomes++;
        this.#client.send({ type: 'phones', phones: [presence('uuid:phone-1', { trusted: true })] });
        this.onWelcome();
      },
      onFrame: (frame) => {
        if (frame.type !== 'call') return;
        this.#client.send({ type: 'result', id: frame.id, arguments: { SessionsList: '<none/>' } });
      },
      onLost: () => undefined,
      report: () => undefined,
    });
  }

  get connected(): boolean {
    return this.#client.connected;
  }

  start(): void {
    this.#dialledMs = performance.now();
    this.#client.start();
  }

  stop(): Promise<void> {
    return this.#client.stop();
  }

  /** Delivers a message to the phone. */
  tell(number: number): void {
    const seq = ++this.#seq;
    this.#client.send({
      type: 'events',
      events: [
        {
          seq,
          time: new Date().toISOString(),
          event: {
            type: 'message.put',
            udn: 'uuid:phone-1',
            epoch: 0,
            id: messageId(number),
            message: phoneMessage({ messageId: `phone-${number}` }),
            fingerprint: 'f',
          },
        },
      ],
    });
  }
}

/**
 * Creates homes from number `from` on, each with its own account and an agent token; the first ones also get a token
 * with `scopes`.
 */
export async function seedHomes(
  store: Store,
  homes: { from?: number; count: number },
  readers: { count: number; scopes: readonly Scope[] },
): Promise<{ agentTokens: string[]; readerTokens: string[] }> {
  const access = new Access({ store, clock: Date });
  const issue = async (kind: 'agent' | 'api', n: number, scopes: readonly Scope[]) =>
    (await access.issue(kind, { account: `account-${n}`, home: `home-${n}`, name: 'bench', scopes })).token;
  const numbers = Array.from({ length: homes.count }, (_, n) => (homes.from ?? 0) + n);
  await Promise.all(
    numbers.map((n) => store.homes.create({ id: `home-${n}`, account: `account-${n}`, name: 'Home', owner: 'Owner' })),
  );
  const agentTokens = await Promise.all(numbers.map((n) => issue('agent', n, ['phones:approve'])));
  const readerTokens = await Promise.all(numbers.slice(0, readers.count).map((n) => issue('api', n, readers.scopes)));
  return { agentTokens, readerTokens };
}

export function sharedOutbox(database: AgentDatabase): Outbox {
  return new Outbox({ database, report: () => undefined });
}
