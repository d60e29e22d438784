// The time, as tests move it and the hosts read it.
export interface Clock {
  /** Epoch milliseconds. */
  now(): number;
}
