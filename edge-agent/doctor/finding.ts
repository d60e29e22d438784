// A finding of the doctor and its lines of text.

export interface Finding {
  /** A `fault` needs action; `fine` and `note` do not. */
  readonly kind: 'fine' | 'note' | 'fault';
  readonly says: string;
  /** What to do; every fault has one. */
  readonly remedy?: string;
}

export const fine = (says: string): Finding => ({ kind: 'fine', says });
export const note = (says: string): Finding => ({ kind: 'note', says });
export const fault = (says: string, remedy: string): Finding => ({ kind: 'fault', says, remedy: remedy });

const marks = { fine: 'ok   ', note: 'note ', fault: 'FAULT' } as const;

/** A finding as lines of text, its remedy on a line of its own. */
export function linesOf({ kind, says, remedy }: Finding): string[] {
  return [`  ${marks[kind]}  ${says}`, ...(remedy === undefined ? [] : [`         What to do: ${remedy}`])];
}
