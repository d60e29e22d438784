// A fleet for scale.ts: one agent for each home, each with the real tunnel client and its full-jitter back-off.
import type { DatabaseSync } from 'node:sqlite';
import { TunnelClient } from '../../edge-agent/tunnel/client.ts';
import { Outbox } from '../../edge-agent/tunnel/outbox.ts';
import { messageId, phoneMessage, presence } from '../contract/messages.ts';

/** An agent without a LAN: it has one phone, which never says anything of itself and has no sessions when asked. */
export class FleetAgent {
  readonly #client: TunnelClient;
  #dialledMs = 0;
  #seq = 0;
  /** From the first dial to the welcome. */
  connectMs = 0;
  /** `performance.now()` of the last welcome. */
  welcomedMs = 0;
  welcomes = 0;
  /** Tries that failed although somebody listened. */
  failedHellos = 0;
  onWelcome: () => void = () => {};

  /** The outbox stays empty, so that all may share one. */
  constructor(url: string, token: string, outbox: Outbox) {
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
      report: (line) => {
        // The cloud was killed (1006) or is not back yet.
        if (!/closed with 1006|ECONNREFUSED|ECONNRESET|socket hang up/.test(line)) this.failedHellos++;
      },
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

  /** A message arrives at the phone. */
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

export function sharedOutbox(database: DatabaseSync): Outbox {
  return new Outbox({ database, report: () => undefined });
}
