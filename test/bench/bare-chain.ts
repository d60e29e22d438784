// The floor under REST → tunnel → SOAP: as many processes and hops, and nothing in them but node:http and ws. A request
// goes to an HTTP server, through a WebSocket to another process, from there as it is to the phone, and the answer back.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

/** Each request and each answer is one text: its number and what it carries. */
interface Carried {
  id: number;
  body: string;
}

/** `soapUrl`: the phone's control URL. Answers where a SOAP request is to be posted instead. */
export async function startBareChain(soapUrl: string): Promise<{ url: string; stop(): void }> {
  const front = fork(import.meta.filename, ['front']);
  const url = await readyOf(front);
  const back = fork(import.meta.filename, ['back', url.replace('http', 'ws'), soapUrl]);
  await readyOf(back);
  return {
    url,
    stop: () => {
      front.disconnect();
      back.disconnect();
    },
  };
}

async function readyOf(child: ChildProcess): Promise<string> {
  const [url] = await once(child, 'message');
  return String(url);
}

/** In the place of the cloud. */
function front(): void {
  const waiting = new Map<number, ServerResponse>();
  let count = 0;
  let tunnel: WebSocket | undefined;
  const server = createServer(async (incoming, outgoing) => {
    const id = ++count;
    waiting.set(id, outgoing);
    const body = await textOf(incoming);
    tunnel?.send(JSON.stringify({ id, body } satisfies Carried));
  });
  new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (socket) => {
    tunnel = socket;
    socket.on('message', (data) => {
      const { id, body } = JSON.parse(data.toString()) as Carried;
      const outgoing = waiting.get(id);
      waiting.delete(id);
      outgoing?.writeHead(200, { 'content-type': 'text/xml', 'content-length': Buffer.byteLength(body) }).end(body);
    });
  });
  server.listen(0, '127.0.0.1', () => process.send?.(`http://127.0.0.1:${(server.address() as AddressInfo).port}`));
}

/** In the place of the agent. */
function back(tunnelUrl: string, soapUrl: string): void {
  const agent = new Agent({ keepAlive: true });
  const socket = new WebSocket(tunnelUrl, { perMessageDeflate: false });
  socket.on('open', () => process.send?.(tunnelUrl));
  socket.on('message', (data) => {
    const { id, body } = JSON.parse(data.toString()) as Carried;
    const action = body.includes('<u:GetSessions') ? 'GetSessions' : 'SendMessage';
    const headers = {
      'content-type': 'text/xml; charset="utf-8"',
      soapaction: `"urn:schemas-upnp-org:service:Messaging:2#${action}"`,
      'content-length': Buffer.byteLength(body),
    };
    request(soapUrl, { agent, method: 'POST', headers }, async (answer) => {
      socket.send(JSON.stringify({ id, body: await textOf(answer) } satisfies Carried));
    }).end(body);
  });
}

function textOf(message: IncomingMessage): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    message.setEncoding('utf8');
    message.on('data', (chunk: string) => {
      text += chunk;
    });
    message.on('end', () => resolve(text));
  });
}

if (import.meta.main) {
  const [, , role, tunnelUrl = '', soapUrl = ''] = process.argv;
  process.once('disconnect', () => process.exit());
  if (role === 'front') front();
  else back(tunnelUrl, soapUrl);
}
