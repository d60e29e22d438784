// The steps that a session's status and the household's part in it allow. The phone may still refuse them.
import type { Session } from '../../../protocol/model.ts';
import type { SessionStep } from './sessions.ts';

export interface OfferedStep {
  step: SessionStep;
  words: string;
}

const accept: OfferedStep = { step: 'accept', words: 'Accept' };
const decline: OfferedStep = { step: 'close', words: 'Decline' };
const withdraw: OfferedStep = { step: 'close', words: 'Withdraw' };
const join: OfferedStep = { step: 'join', words: 'Join' };
const leave: OfferedStep = { step: 'leave', words: 'Leave' };
const close: OfferedStep = { step: 'close', words: 'Close' };

/** `own`: the addresses of the session's phone; while unknown, every step of the status is offered. */
export function stepsFor(
  { status, initiator, recipients }: Session,
  own: ReadonlySet<string> | undefined,
): OfferedStep[] {
  const isOurs = initiator !== null && own?.has(initiator.address) === true;
  switch (status) {
    case 'Pending':
      return isOurs ? [withdraw] : [accept, decline];
    case 'Running': {
      const part = recipients.find((party) => own?.has(party.address))?.state ?? (isOurs ? 'joined' : undefined);
      if (part === undefined) return [join, leave, close];
      return part === 'joined' ? [leave, close] : [join, close];
    }
    case 'Parked':
      return [join, close];
    case 'Closed':
      return [];
  }
}
