// SQLite's result codes (sqlite.org/rescode.html), without their extension bits.

export const sqliteResult = {
  busy: 5,
  locked: 6,
  readOnly: 8,
  ioError: 10,
  corrupt: 11,
  full: 13,
  cannotOpen: 14,
  constraint: 19,
  notADatabase: 26,
} as const;

/** Undefined where it was not SQLite that failed. */
export function sqliteResultOf(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined;
}

export function isDiskFull(error: unknown): boolean {
  return sqliteResultOf(error) === sqliteResult.full;
}
