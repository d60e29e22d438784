// The network between agent and cloud: a TCP proxy that can be cut, stalled, slowed down and closed.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

export class TunnelRoad {
  readonly #server: Server;
  readonly #targetPort: number;
  readonly #sockets = new Set<Socket>();
  #delayMs = 0;

  constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((socket) => this.#join(socket));
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('The road has no port.');
    return address.port;
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /** Destroys every connection, with the data in flight. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Holds all data for a while; nothing is lost. */
  async stall(forMs: number): Promise<void> {
    for (const socket of this.#sockets) socket.pause();
    await pause(forMs);
    for (const socket of this.#sockets) socket.resume();
  }

  async slow(byMs: number, forMs: number): Promise<void> {
    this.#delayMs = byMs;
    await pause(forMs);
    this.#delayMs = 0;
  }

  #join(near: Socket): void {
    const far = connect(this.#targetPort, '127.0.0.1');
    this.#carry(near, far);
    this.#carry(far, near);
  }

  #carry(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    let last: Promise<unknown> = Promise.resolve();
    from.on('data', (chunk) => {
      const arrival = this.#delayMs > 0 ? pause(this.#delayMs) : undefined;
      last = last.then(() => arrival).then(() => to.writable && to.write(chunk));
    });
    from.on('error', () => undefined);
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
  }
}
