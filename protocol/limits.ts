// The limits that both ends of the tunnel enforce. Numbers with their reasons in README.md.

export const limits = {
  /** UTF-16 code units of one text frame. A workerd socket takes 32 MiB, which is too much memory for a Raspberry Pi. */
  frameChars: 1024 * 1024,
  /** Events in one `events` frame. */
  eventsPerFrame: 50,
  /** Events sent and not yet acknowledged. */
  eventsInFlight: 64,
  /** Calls open at once through one tunnel. */
  callsInFlight: 256,
  /** UTF-16 code units. A longer body is a file, not a message. */
  bodyChars: 256 * 1024,
  identifierChars: 4096,
  addressChars: 1024,
  shortTextChars: 4096,
  urlChars: 4096,
  parties: 256,
  attachments: 64,
  phones: 32,
} as const;
