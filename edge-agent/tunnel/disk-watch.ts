// Notices when the agent's disk is full and when it has room again, and says so once: in the agent's output, and to the
// household with each phone.
import type { PhonePresence } from '../../protocol/frames.ts';
import type { AgentDatabase } from './database.ts';

/** As much as a batch of messages: a full disk may still have room for a small write in the write-ahead log. */
const proofBytes = 64 * 1024;
const tryAgainMs = 2_000;

const trouble = {
  code: 'agent-disk-full',
  detail:
    'The disk of the machine that runs the agent is full. New messages stay on the phone and are fetched when there is ' +
    'room. Free some space there.',
};

export interface DiskWatchOptions {
  readonly database: AgentDatabase;
  report(line: string): void;
  /** The disk is full, or has room again. */
  changed(): void;
}

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #isFull = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#options.database.onRefused = () => this.#refused();
  }

  stop(): void {
    this.#options.database.onRefused = () => {};
    clearTimeout(this.#timer);
  }

  /** Adds the trouble to every phone while the disk is full, because then no phone's messages are kept. */
  mark(phones: readonly PhonePresence[]): PhonePresence[] {
    return phones.map((phone) => (this.#isFull ? { ...phone, trouble } : phone));
  }

  #refused(): void {
    if (this.#isFull) return;
    this.#isFull = true;
    this.#options.report('Warning: the disk is full. What arrives now is fetched again when there is room.');
    this.#options.changed();
    this.#tryLater();
  }

  #tryLater(): void {
    this.#timer = setTimeout(() => {
      const { database, report, changed } = this.#options;
      try {
        database.commit(() =>
          database.exec(`INSERT OR REPLACE INTO facts VALUES ('proof', hex(zeroblob(${proofBytes / 2})))`),
        );
        database.commit(() => database.exec("DELETE FROM facts WHERE name = 'proof'"));
      } catch {
        this.#tryLater();
        return;
      }
      this.#isFull = false;
      report('There is room on the disk again.');
      changed();
    }, tryAgainMs);
  }
}
