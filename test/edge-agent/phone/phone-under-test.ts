// A software phone on loopback, a scripted line, and a control point over real HTTP.
import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDocument, writeDocument } from '../../../edge-agent/messaging/documents.ts';
import type { Line, LineEvents, LineSessionStep } from '../../../edge-agent/phone/lines/line.ts';
import { SoftwarePhone, type SoftwarePhoneOptions } from '../../../edge-agent/phone/phone.ts';
import { readActionAnswer, readFault, writeActionRequest } from '../../../edge-agent/upnp/control/soap-envelope.ts';
import { parseXml } from '../../../edge-agent/upnp/xml/xml.ts';
import { type ActionName, actions, documentOf, type StateVariableName } from '../../../protocol/actions.ts';
import type { Capabilities, DocumentOf, FileInfo, PhoneMessage, PhoneSession } from '../../../protocol/phone-model.ts';

export const owner = { address: '+390119999', displayName: 'Home phone' };
export const nonna = { address: '+390110001', displayName: 'Nonna' };
export const messagingType = 'urn:schemas-upnp-org:service:Messaging:2';

/** A scripted line: accepts messages unless it is down, and emits the events of the test. */
export class ScriptedLine implements Line {
  readonly correspondents = [nonna, { address: 'xmpp:ada@chat.example', displayName: 'Ada' }];
  readonly sent: PhoneMessage[] = [];
  readonly steps: { session: PhoneSession; step: LineSessionStep }[] = [];
  readonly files: { file: FileInfo; bytes: Uint8Array }[] = [];
  readonly capabilities: Capabilities = {
    classes: [
      {
        messageClass: 'SMS',
        pageMode: true,
        sessionMode: true,
        maxBodyLength: 160,
        maxRecipients: 2,
        maxAttachmentBytes: 0,
        contentTypes: ['text/plain'],
      },
      { messageClass: 'Instant Message', pageMode: false, sessionMode: true, contentTypes: ['text/plain'] },
      { messageClass: 'e-Mail', pageMode: true, sessionMode: false, contentTypes: ['text/plain', 'text/html'] },
    ],
    sessionClasses: ['Chat', 'SMS', 'File-Transfer', 'Mixed'],
    fileTransfer: true,
  };
  down = false;
  offeredBytes: Promise<Uint8Array> = Promise.resolve(Buffer.from('cake'));
  #events: LineEvents | undefined;

  async start(events: LineEvents): Promise<void> {
    this.#events = events;
  }

  async stop(): Promise<void> {
    this.#events = undefined;
  }

  get events(): LineEvents {
    if (this.#events === undefined) throw new Error('The line is not started.');
    return this.#events;
  }

  reaches(address: string): boolean {
    return address !== '' && address !== 'nobody';
  }

  async send(message: PhoneMessage): Promise<void> {
    if (this.down) throw new Error('The line is down.');
    this.sent.push(message);
  }

  async step(session: PhoneSession, step: LineSessionStep): Promise<void> {
    this.steps.push({ session, step });
  }

  async sendFile(file: FileInfo, bytes: Uint8Array): Promise<void> {
    this.files.push({ file, bytes });
  }

  fetchFile(): Promise<Uint8Array> {
    return this.offeredBytes;
  }
}

export interface PhoneUnderTest {
  readonly phone: SoftwarePhone;
  readonly line: ScriptedLine;
  readonly dataFolder: string;
  readonly ssdpPort: number;
  readonly reported: string[];
  readonly control: ControlPoint;
  stop(): Promise<void>;
}

export async function startPhone(options: Partial<SoftwarePhoneOptions> = {}): Promise<PhoneUnderTest> {
  const dataFolder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'homeline-phone-'));
  const line = (options.line as ScriptedLine | undefined) ?? new ScriptedLine();
  const ssdpPort = options.ssdpPort ?? (await freeUdpPort());
  const reported: string[] = [];
  const phone = new SoftwarePhone({
    interfaces: ['lo'],
    port: 0,
    dataFolder,
    name: owner.displayName,
    number: owner.address,
    ssdpPort,
    line,
    report: (text) => reported.push(text),
    ...options,
  });
  await phone.start();
  return {
    phone,
    line,
    dataFolder,
    ssdpPort,
    reported,
    control: new ControlPoint(new URL('/messaging/control', phone.location)),
    stop: async () => {
      await phone.stop();
      if (options.dataFolder === undefined) rmSync(dataFolder, { recursive: true });
    },
  };
}

/** A SOAP fault. */
export class Fault extends Error {
  readonly code: number | undefined;

  constructor(code: number | undefined, description: string) {
    super(`${code} ${description}`);
    this.code = code;
  }
}

/** Calls actions with strings, or with models for documents. */
export class ControlPoint {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
  }

  /** Throws Fault. */
  async call(action: string, args: readonly (readonly [string, string])[], serviceType = messagingType) {
    const answer = await fetch(this.#url, {
      method: 'POST',
      headers: { SOAPACTION: `"${serviceType}#${action}"`, 'Content-Type': 'text/xml; charset="utf-8"' },
      body: writeActionRequest(serviceType, action, args),
    }).then(async (response) => ({ status: response.status, text: await response.text() }));
    if (answer.status !== 200) {
      const fault = readFault(answer.text);
      throw new Fault(fault?.code, fault?.description ?? `HTTP ${answer.status}`);
    }
    return readActionAnswer(answer.text, action, { maxChars: 8 * 1024 * 1024 });
  }

  /** Arguments in any order, documents as models; missing ones are the empty string. */
  async ask<Name extends ActionName>(action: Name, given: Readonly<Record<string, unknown>> = {}) {
    const table: Readonly<Record<string, StateVariableName>> = actions[action].in;
    const args = Object.entries(table).map(([name, variable]) => {
      const value = given[name] ?? '';
      const document = documentOf(variable);
      const isText = typeof value === 'string' || document === undefined;
      return [name, isText ? String(value) : writeDocument(document, value as DocumentOf<typeof document>)] as const;
    });
    return this.call(action, args);
  }

  async messages(search: Record<string, string> = {}): Promise<PhoneMessage[]> {
    const answer = await this.ask('SearchMessages', search);
    return readDocument('messageList', answer.get('MessageList') ?? '', context);
  }

  async sessions(search: Record<string, string> = {}): Promise<PhoneSession[]> {
    const answer = await this.ask('GetSessions', search);
    return readDocument('sessionsList', answer.get('SessionsList') ?? '', context);
  }

  async files(sessionId: string): Promise<FileInfo[]> {
    const answer = await this.ask('GetFileTransferSession', { SessionID: sessionId });
    return readDocument('fileInfoList', answer.get('FileInfoList') ?? '', context);
  }

  async send(message: Partial<PhoneMessage>): Promise<string> {
    const answer = await this.ask('SendMessage', { MessageToSend: { ...blankMessage, ...message } });
    return answer.get('MessageID') ?? '';
  }
}

export const context = { device: 'the phone under test', action: 'a test' };

export const blankMessage: PhoneMessage = {
  messageId: '',
  messageClass: 'SMS',
  folder: 'Outgoing',
  status: 'Unread',
  from: { address: '' },
  to: [nonna],
  contentType: 'text/plain',
  body: 'Ciao',
  attachments: [],
  time: '2026-11-22T19:30:00.000Z',
};

export interface Notified {
  readonly seq: number;
  readonly sid: string;
  readonly variables: ReadonlyMap<string, string>;
  readonly headers: IncomingMessage['headers'];
}

/** A subscriber's server. `events` collects all; `next` waits for the first matching event not yet taken. */
export async function startSubscriber(answer: (seq: number) => number | 'silence' = () => 200) {
  const events: Notified[] = [];
  const waiting: { fits(event: Notified): boolean; resolve(event: Notified): void }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const seq = Number(request.headers.seq);
    const status = answer(seq);
    if (status === 'silence') return;
    response.writeHead(status, { 'Content-Length': 0 }).end();
    const properties = parseXml(Buffer.concat(chunks)).children.flatMap((property) => property.children);
    const variables = new Map(properties.map((variable) => [variable.name, variable.text]));
    const event = { seq, sid: String(request.headers.sid), variables, headers: request.headers };
    events.push(event);
    const at = waiting.findIndex(({ fits }) => fits(event));
    if (at >= 0) waiting.splice(at, 1)[0]?.resolve(event);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    events,
    callback: `<http://127.0.0.1:${port}/cb>`,
    next(fits: (event: Notified) => boolean): Promise<Notified> {
      const known = events.find(fits);
      if (known !== undefined) return Promise.resolve(known);
      return new Promise((resolve) => waiting.push({ fits, resolve }));
    },
    stop(): Promise<void> {
      return new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}

export function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4');
  return new Promise((resolve) => {
    socket.bind(0, '127.0.0.1', () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}

/** Resolves with the first value that is not undefined or false, within 50 s. */
export async function until<Value>(
  look: () => Promise<Value | undefined | false> | Value | undefined | false,
): Promise<Value> {
  for (const endMs = performance.now() + 50_000; ; ) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > endMs) throw new Error(`This never became true: ${look}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
