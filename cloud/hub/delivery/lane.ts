// One circle of recipients: its sends go out one at a time, in the order in which they were asked for.
import type { Message } from '../../../protocol/model.ts';
import type { SendOutcome } from '../hubs.ts';
import type { Asked, DueSend } from './attempt.ts';

/** What a lane does with a send at its turn. */
export type Turn =
  | { readonly do: 'try'; readonly send: DueSend }
  /** It waits in the store, and so does all behind it. */
  | { readonly do: 'wait'; readonly send: DueSend }
  /** It was settled before its turn. */
  | { readonly do: 'pass'; readonly message: Message };

/** A send in memory: from when it is asked for, or read from the store, until it is settled or left in the store. */
export class LaneEntry {
  readonly id: string;
  readonly sendSeq: number;
  /** Resolves when the send is stored and all that is older in its lane is known; rejects when it cannot be stored. */
  readonly turn: Promise<Turn>;
  readonly outcome: Promise<SendOutcome>;
  /** By the latest request; undefined where no request waits for it. */
  asked: Asked | undefined;
  readonly settle: (outcome: SendOutcome) => void;
  readonly fail: (error: unknown) => void;

  constructor({ id, sendSeq = 0 }: Pick<DueSend['record'], 'id' | 'sendSeq'>, turn: Promise<Turn>, asked?: Asked) {
    this.id = id;
    this.sendSeq = sendSeq;
    this.turn = turn;
    this.asked = asked;
    const { promise, resolve, reject } = Promise.withResolvers<SendOutcome>();
    this.outcome = promise;
    this.settle = resolve;
    this.fail = reject;
  }
}

export interface LaneOwner {
  /** Never rejects. False: the send must be tried again later, with everything behind it. */
  attempt(entry: LaneEntry, send: DueSend): Promise<boolean>;
  /** The lane tries none of these any more: what is not settled waits in the store. */
  release(entries: readonly LaneEntry[]): void;
  /** The lane is empty and takes no more. */
  ended(): void;
}

export class Lane {
  readonly #owner: LaneOwner;
  /** By `sendSeq`; the first is being tried, or is the next. */
  readonly #mailbox: LaneEntry[] = [];

  constructor(owner: LaneOwner) {
    this.#owner = owner;
  }

  get isEmpty(): boolean {
    return this.#mailbox.length === 0;
  }

  /** The first entry starts the loop, which ends when the mailbox is empty. */
  place(entry: LaneEntry): void {
    const isFirst = this.isEmpty;
    const before = this.#mailbox.findLastIndex(({ sendSeq }) => sendSeq <= entry.sendSeq);
    this.#mailbox.splice(before + 1, 0, entry);
    if (isFirst) void this.#run();
  }

  async #run(): Promise<void> {
    for (let head = this.#mailbox[0]; head !== undefined; head = this.#mailbox[0]) {
      const turn = await head.turn.catch(() => undefined);
      // Older sends came from the store before its turn.
      if (head !== this.#mailbox[0]) continue;
      const goesOn = turn?.do === 'try' ? await this.#owner.attempt(head, turn.send) : turn?.do !== 'wait';
      if (goesOn) this.#mailbox.splice(this.#mailbox.indexOf(head), 1);
      else this.#owner.release(this.#mailbox.splice(0));
    }
    this.#owner.ended();
  }
}
