// Asks the cloud, page by page, what it knows of a phone's messages.
import { GatewayError } from '../../protocol/errors.ts';
import type { FrameHandlers } from '../../protocol/frame-handlers.ts';
import type { CloudFrame, EdgeFrame, FrameOf, InventoryItem } from '../../protocol/frames.ts';

interface Question {
  readonly items: InventoryItem[];
  resolve(items: InventoryItem[]): void;
  reject(error: GatewayError): void;
  timer: NodeJS.Timeout;
}

const pageDeadlineMs = 20_000;

/** One question at a time for each phone. A lost connection fails them all. */
export class InventoryReader {
  readonly #send: (frame: EdgeFrame) => boolean;
  readonly #questions = new Map<string, Question>();
  readonly frames: Pick<FrameHandlers<CloudFrame>, 'inventory'> = { inventory: (frame) => this.#onPage(frame) };

  constructor(send: (frame: EdgeFrame) => boolean) {
    this.#send = send;
  }

  /** @throws GatewayError `tunnel-lost`, `deadline-exceeded`, or `conflict` when the phone's inventory is asked for again */
  read(udn: string): Promise<InventoryItem[]> {
    this.#fail(udn, new GatewayError('conflict', 'The inventory is asked for again.'));
    return new Promise((resolve, reject) => {
      this.#questions.set(udn, { items: [], resolve, reject, timer: this.#arm(udn) });
      this.#ask(udn, undefined);
    });
  }

  #onPage(frame: FrameOf<CloudFrame, 'inventory'>): void {
    const question = this.#questions.get(frame.udn);
    if (question === undefined) return;
    clearTimeout(question.timer);
    question.items.push(...frame.items);
    if (frame.next === undefined) {
      this.#questions.delete(frame.udn);
      question.resolve(question.items);
      return;
    }
    question.timer = this.#arm(frame.udn);
    this.#ask(frame.udn, frame.next);
  }

  stop(): void {
    this.onLost();
  }

  onLost(): void {
    for (const udn of [...this.#questions.keys()]) {
      this.#fail(udn, new GatewayError('tunnel-lost', 'The connection broke off.'));
    }
  }

  #ask(udn: string, after: string | undefined): void {
    const sent = this.#send({ type: 'inventory', udn, ...(after !== undefined && { after }) });
    if (!sent) this.#fail(udn, new GatewayError('tunnel-lost', 'There is no connection.'));
  }

  #arm(udn: string): NodeJS.Timeout {
    const late = new GatewayError('deadline-exceeded', 'The cloud did not say in time what it knows.');
    return setTimeout(() => this.#fail(udn, late), pageDeadlineMs);
  }

  #fail(udn: string, error: GatewayError): void {
    const question = this.#questions.get(udn);
    if (question === undefined) return;
    clearTimeout(question.timer);
    this.#questions.delete(udn);
    question.reject(error);
  }
}
