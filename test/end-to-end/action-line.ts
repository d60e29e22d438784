// A line whose far end is the test: it records what the phone sends and delivers messages.

import { DemonstrationLine } from '../../edge-agent/phone/lines/demonstration.ts';
import type { ArrivedMessage, Line, LineEvents, LineSessionStep } from '../../edge-agent/phone/lines/line.ts';
import type { FileInfo, PhoneMessage, PhoneSession } from '../../protocol/phone-model.ts';

export class ActionLine implements Line {
  readonly capabilities = new DemonstrationLine().capabilities;
  readonly sent: PhoneMessage[] = [];
  readonly steps: { session: PhoneSession; step: LineSessionStep }[] = [];
  /** While set, the line reports that it is unreachable. */
  isDown = false;
  #events: LineEvents | undefined;

  get events(): LineEvents {
    if (this.#events === undefined) throw new Error('The phone of this line is not on.');
    return this.#events;
  }

  async start(events: LineEvents): Promise<void> {
    this.#events = events;
  }

  async stop(): Promise<void> {
    this.#events = undefined;
  }

  reaches(address: string): boolean {
    return address !== 'nobody';
  }

  async send(message: PhoneMessage): Promise<void> {
    if (this.isDown) throw new Error('no signal');
    this.sent.push(message);
  }

  async step(session: PhoneSession, step: LineSessionStep): Promise<void> {
    this.steps.push({ session, step });
  }

  async sendFile(): Promise<void> {}

  async fetchFile(file: FileInfo): Promise<Uint8Array> {
    return new Uint8Array(file.sizeBytes);
  }

  /** Delivers a message to the phone; returns the phone's identifier for it. */
  receive(from: string, body: string, more: Partial<ArrivedMessage> = {}): Promise<string> {
    return this.events.arrived({ messageClass: 'SMS', from: { address: from }, body, ...more });
  }
}
