// What the doctor found, and how it is told.

export interface Finding {
  /** `fault` is to be mended; `fine` and `note` are not. */
  readonly kind: 'fine' | 'note' | 'fault';
  readonly says: string;
  /** What to do about it; every fault has one. */
  readonly mend?: string;
}

export const fine = (says: string): Finding => ({ kind: 'fine', says });
export const note = (says: string): Finding => ({ kind: 'note', says });
export const fault = (says: string, mend: string): Finding => ({ kind: 'fault', says, mend });

const marks = { fine: 'ok   ', note: 'note ', fault: 'FAULT' } as const;

/** One finding as lines of text, its mend on a line of its own. */
export function linesOf({ kind, says, mend }: Finding): string[] {
  return [`  ${marks[kind]}  ${says}`, ...(mend === undefined ? [] : [`         Mend: ${mend}`])];
}
