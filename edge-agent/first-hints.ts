// What the user reads after the start: that the agent looks for phones, and what to do while it finds none.
export interface FirstHintsOptions {
  /** Names of the networks that the user asked for; none means all. */
  readonly interfaces: readonly string[];
  /** Names of the networks that have an address now. */
  present(): string[];
  hasPhone(): boolean;
  report(line: string): void;
  /** Default 15 s. */
  readonly noPhoneHintMs?: number | undefined;
}

/** Three searches are over by then, and the slowest answer to them is in. */
const standardHintMs = 15_000;

export class FirstHints {
  readonly #options: FirstHintsOptions;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: FirstHintsOptions) {
    this.#options = options;
  }

  start(): void {
    const { report, hasPhone, noPhoneHintMs = standardHintMs } = this.#options;
    report('Looking for phones on the household’s network.');
    this.#warnOfAbsentNetworks();
    this.#timer = setTimeout(() => {
      if (!hasPhone()) report('No phone has answered yet. “npm run doctor” names what stands in the way.');
    }, noPhoneHintMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  /** A network may come later, and the agent watches for it; but its name may also be mistyped. */
  #warnOfAbsentNetworks(): void {
    const { interfaces, report } = this.#options;
    const present = new Set(this.#options.present());
    const absent = interfaces.filter((name) => !present.has(name));
    if (absent.length === 0 && present.size > 0) return;
    const what =
      absent.length === 0 ? 'No network of this machine has an address' : `There is no address on ${absent.join(', ')}`;
    report(`Warning: ${what}. Phones there are found once it has one; --interface names other networks.`);
  }
}
