// A proxy in front of DynamoDB Local that fails requests and loses answers, over real sockets.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Passing {
  /** As in `DynamoDB_20120810.PutItem`, without the version. */
  operation: string;
  body: { IndexName?: string; Item?: { sk?: { S?: string } } };
}

/** `lose`: the request is applied, but its answer is lost. An object replaces the engine's answer. */
export type Fate = 'pass' | 'lose' | 'throttle' | 'break' | object;

export class FaultyRoad {
  /** Decides the fate of each request. */
  fate: (passing: Passing) => Fate = () => 'pass';
  readonly #to: () => string;
  readonly #server: Server;

  constructor(to: () => string) {
    this.#to = to;
    this.#server = createServer((request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    const operation = String(request.headers['x-amz-target']).split('.').at(-1) ?? '';
    const fate = this.fate({ operation, body: JSON.parse(body.toString()) });
    if (fate === 'break') response.destroy();
    else if (fate === 'throttle') answer(response, 400, { __type: 'x#ThrottlingException', message: 'Rate exceeded' });
    else if (typeof fate === 'object') answer(response, 200, fate);
    else await this.#forward(request, body, fate === 'lose', response);
  }

  async #forward(request: IncomingMessage, body: Buffer, lose: boolean, response: ServerResponse): Promise<void> {
    const { authorization = '', 'x-amz-target': target, 'x-amz-date': date } = request.headers;
    const headers = {
      authorization,
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': String(target),
      'x-amz-date': String(date),
    };
    const answered = await fetch(this.#to(), { method: 'POST', headers, body: new Uint8Array(body) });
    const text = await answered.text();
    if (lose) response.destroy();
    else response.writeHead(answered.status, { 'content-type': 'application/x-amz-json-1.0' }).end(text);
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(body));
}
