// The clock: hosts read the machine’s, tests move their own.
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}
