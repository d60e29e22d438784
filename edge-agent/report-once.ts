// Reports each distinct line once, so that a flood of advertisements cannot fill the log.

const maxRemembered = 256;

export class ReportOnce {
  readonly #report: (line: string) => void;
  readonly #reported = new Set<string>();

  constructor(report: (line: string) => void) {
    this.#report = report;
  }

  report(line: string): void {
    if (this.#reported.has(line)) return;
    if (this.#reported.size >= maxRemembered) this.#reported.clear();
    this.#reported.add(line);
    this.#report(line);
  }
}
