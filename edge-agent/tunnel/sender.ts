// Sends the outbox over one connection: a window of events in flight, cumulative acknowledgements, no timed repetition
// while the connection is healthy (the rule of MQTT 5), only a watchdog that gives a stalled connection up.
import { encodeEvents, type SequencedText } from '../../protocol/codec.ts';
import type { CloudFrame, FrameOf } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';
import type { Outbox } from './outbox.ts';

export interface SenderOptions {
  readonly outbox: Outbox;
  /** Takes a frame as text. */
  send(frame: string): void;
  /** Events stayed unacknowledged for too long. */
  onStalled(): void;
  readonly eventsInFlight: number;
  readonly frameChars: number;
  readonly stallMs: number;
}

/** What a frame has around its events. */
const frameOverheadChars = 64;

export class EventSender {
  readonly #options: SenderOptions;
  readonly #inFlight = new Set<number>();
  #sentSeq = 0;
  #paused: NodeJS.Timeout | undefined;
  #watchdog: NodeJS.Timeout | undefined;
  #running = false;

  constructor(options: SenderOptions) {
    this.#options = options;
  }

  /** Everything that is not acknowledged goes out again, from the lowest sequence on. Starting twice is starting once. */
  start(): void {
    this.#running = true;
    this.pump();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#paused);
    clearTimeout(this.#watchdog);
    this.#paused = undefined;
    this.#watchdog = undefined;
  }

  /** Sends what the window allows. */
  pump(): void {
    while (this.#running && this.#paused === undefined) {
      const room = this.#options.eventsInFlight - this.#inFlight.size;
      if (room <= 0) return;
      const before = this.#sentSeq;
      const batch = this.#nextBatch(Math.min(room, limits.eventsPerFrame));
      if (this.#sentSeq === before) return;
      if (batch.length === 0) continue;
      for (const { seq } of batch) this.#inFlight.add(seq);
      this.#watchdog ??= this.#armWatchdog();
      this.#options.send(encodeEvents(batch));
    }
  }

  onAck(frame: FrameOf<CloudFrame, 'ack'>): void {
    // More than was sent is not to be believed: events not yet sent would be forgotten.
    const seq = Math.min(frame.seq, this.#sentSeq);
    this.#options.outbox.ack(seq);
    for (const each of this.#inFlight) if (each <= seq) this.#inFlight.delete(each);
    this.#progress();
  }

  onNak(frame: FrameOf<CloudFrame, 'nak'>): void {
    this.#sentSeq = Math.min(this.#sentSeq, frame.seq - 1);
    for (const each of this.#inFlight) if (each >= frame.seq) this.#inFlight.delete(each);
    clearTimeout(this.#paused);
    this.#paused = setTimeout(() => {
      this.#paused = undefined;
      this.pump();
    }, frame.delayMs);
    this.#progress();
  }

  onTerm(frame: FrameOf<CloudFrame, 'term'>): void {
    if (!this.#inFlight.delete(frame.seq)) return;
    this.#options.outbox.term(frame.seq, frame.code, frame.reason);
    this.#progress();
  }

  #progress(): void {
    clearTimeout(this.#watchdog);
    this.#watchdog = this.#inFlight.size > 0 ? this.#armWatchdog() : undefined;
    this.pump();
  }

  #armWatchdog(): NodeJS.Timeout {
    return setTimeout(() => this.#options.onStalled(), this.#options.stallMs);
  }

  #nextBatch(room: number): SequencedText[] {
    const batch: SequencedText[] = [];
    let chars = frameOverheadChars;
    for (const event of this.#options.outbox.after(this.#sentSeq, room)) {
      const size = event.text.length + 1;
      if (frameOverheadChars + size > this.#options.frameChars) {
        if (batch.length > 0) break;
        this.#options.outbox.term(event.seq, 'frame-too-large', `${size} characters do not fit a frame`);
        this.#sentSeq = event.seq;
        break;
      }
      if (chars + size > this.#options.frameChars) break;
      chars += size;
      batch.push(event);
    }
    const last = batch.at(-1);
    if (last !== undefined) this.#sentSeq = last.seq;
    return batch;
  }
}
