// A connection whose bytes the test chooses: requests that no HTTP client would send, out of order or unfinished.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export class RawConnection {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #heardBytes = 0;
  /** Length of the incoming answer with its head; undefined until the head is complete. */
  #neededBytes = 0;
  #changed = Promise.withResolvers<void>();

  private constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    this.#socket.on('data', (data) => {
      this.#chunks.push(data);
      this.#heardBytes += data.length;
    });
    this.#socket.on('error', () => undefined);
    for (const event of ['data', 'end', 'close']) {
      this.#socket.on(event, () => {
        this.#changed.resolve();
        this.#changed = Promise.withResolvers();
      });
    }
  }

  static async open(url: string): Promise<RawConnection> {
    const connection = new RawConnection(url);
    await once(connection.#socket, 'connect');
    return connection;
  }

  write(text: string): this {
    this.#socket.write(text);
    return this;
  }

  /** Resolves when everything written was sent. */
  async flushed(): Promise<void> {
    await new Promise<void>((resolve) => this.#socket.write('', () => resolve()));
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  /** Received text that no `next` has taken yet. */
  get heard(): string {
    return Buffer.concat(this.#chunks).toString('latin1');
  }

  /** The next complete answer; undefined if the connection ends before it. Bodies must have a Content-Length. */
  async next(): Promise<RawAnswer | undefined> {
    for (;;) {
      const answer = this.#take();
      if (answer !== undefined || !this.isOpen) return answer;
      await this.#changed.promise;
    }
  }

  /** Resolves when the server has closed the connection. */
  async ended(): Promise<void> {
    while (this.isOpen) await this.#changed.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(): RawAnswer | undefined {
    if (this.#heardBytes < Math.max(1, this.#neededBytes)) return undefined;
    const heard = Buffer.concat(this.#chunks);
    this.#chunks.splice(0, this.#chunks.length, heard);
    const end = heard.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const [lead = '', ...lines] = heard.subarray(0, end).toString('latin1').split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    );
    this.#neededBytes = end + 4 + Number(headers['content-length'] ?? 0);
    if (heard.length < this.#neededBytes) return undefined;
    const body = heard.subarray(end + 4, this.#neededBytes).toString();
    const rest = heard.subarray(this.#neededBytes);
    this.#chunks.splice(0, this.#chunks.length, rest);
    this.#heardBytes = rest.length;
    this.#neededBytes = 0;
    return { status: Number(lead.split(' ')[1]), headers, body };
  }
}
