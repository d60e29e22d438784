// The phone under test: the software phone with a line whose far end durably records each message that it gets.
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { DemonstrationLine } from '../../edge-agent/phone/lines/demonstration.ts';
import type { Line, LineEvents } from '../../edge-agent/phone/lines/line.ts';
import { SoftwarePhone } from '../../edge-agent/phone/phone.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';

/** One recorded message; a line of JSON each. */
export interface Delivery {
  readonly messageId: string;
  readonly to: string;
  readonly body: string;
}

class WitnessLine implements Line {
  readonly capabilities = new DemonstrationLine().capabilities;
  readonly #file: string;
  readonly #delivered: Set<string>;
  #descriptor = -1;
  #events: LineEvents | undefined;

  constructor(file: string) {
    this.#file = file;
    this.#delivered = new Set(readDeliveries(file).map(({ messageId }) => messageId));
  }

  async start(events: LineEvents): Promise<void> {
    this.#events = events;
    this.#descriptor = openSync(this.#file, 'a');
  }

  async stop(): Promise<void> {
    closeSync(this.#descriptor);
  }

  reaches(): boolean {
    return true;
  }

  /** A phone that crashed may hand a message over twice; the messageId shows that it is the same delivery. */
  async send({ messageId, to, body }: PhoneMessage): Promise<void> {
    if (this.#delivered.has(messageId)) return;
    const delivery: Delivery = { messageId, to: to[0]?.address ?? '', body };
    // The line feed comes first, so that a truncated record does not damage the next one.
    writeSync(this.#descriptor, `\n${JSON.stringify(delivery)}`);
    fsyncSync(this.#descriptor);
    this.#delivered.add(messageId);
  }

  async receive(from: string, body: string): Promise<string> {
    if (this.#events === undefined) throw new Error('The line is not up.');
    return this.#events.arrived({ messageClass: 'SMS', from: { address: from }, body });
  }

  async step(): Promise<void> {}

  async sendFile(): Promise<void> {}

  async fetchFile(): Promise<Uint8Array> {
    return new Uint8Array();
  }
}

export function readDeliveries(file: string): Delivery[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as Delivery];
      } catch {
        return [];
      }
    });
}

async function main(): Promise<void> {
  const { CHAOS_LINE = '', HOMELINE_DATA = '', HOMELINE_PHONE_PORT, HOMELINE_SSDP_PORT } = process.env;
  const line = new WitnessLine(CHAOS_LINE);
  const phone = new SoftwarePhone({
    interfaces: ['lo'],
    port: Number(HOMELINE_PHONE_PORT),
    ssdpPort: Number(HOMELINE_SSDP_PORT),
    dataFolder: HOMELINE_DATA,
    name: 'Chaos',
    number: '+390119999',
    line,
    report: (text) => void process.stdout.write(`${text}\n`),
  });
  await phone.start();
  process.on('message', (message: { type: string; from: string; body: string }) => {
    if (message.type !== 'arrive') return;
    line.receive(message.from, message.body).then(
      (messageId) => process.send?.({ type: 'arrived', messageId }),
      // The disk is full: the phone did not accept the message, so it does not count.
      (error: Error) => process.stdout.write(`refused an arrival: ${error.message}\n`),
    );
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ type: 'ready', udn: phone.udn, location: phone.location });
}

if (import.meta.main) await main();
