// What an error means for a send, and how it is told to people.
import { canRetry, effectOf, GatewayError } from '../../../protocol/errors.ts';
import type { SendEvent } from '../../store/rules/delivery.ts';
import { UnconfirmedPhone } from './unconfirmed-phone.ts';

export interface AttemptContext {
  /** An attempt before this one may have done it. */
  readonly wasUnderWay: boolean;
  /** The sender does not wait for a phone that is away. */
  readonly failFast: boolean;
}

export function eventOfFault(error: GatewayError, { wasUnderWay, failFast }: AttemptContext): SendEvent {
  switch (effectOf(error)) {
    case 'unknown':
      return 'undecided';
    case 'pending':
      return error.code === 'outcome-pending' ? 'pending' : 'lost';
    case 'none':
      // That the phone is away now says nothing of an earlier attempt.
      if (wasUnderWay && isAbsence(error)) return 'lost';
      return canRetry(error) && !failFast ? 'held' : 'refused';
  }
}

/** Whether waiting can help: nothing was done, and the same send may succeed later. */
export function isPassing(error: GatewayError): boolean {
  return effectOf(error) === 'none' && canRetry(error);
}

function isAbsence({ code }: GatewayError): boolean {
  return code === 'home-offline' || code === 'phone-offline';
}

export function asSendError(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('internal', 'Sending failed.', { cause: error });
}

/** The stored reason of a send that failed or is not decided. */
export function reasonOf(error: GatewayError): string {
  if (error.refusal === undefined) return error.message;
  return `The phone refused: ${error.refusal.upnpCode} ${error.refusal.upnpDescription}`.trim();
}

/** The stored reason of a send that waits after an attempt. */
export function reasonToWait(error: GatewayError, untilMs: number | null): string {
  const saysWhatFollows = error.refusal !== undefined || error instanceof UnconfirmedPhone;
  return saysWhatFollows ? heldBecause(error, undefined, untilMs) : error.message;
}

/** Why a send cannot go out now and what happens to it. Both times in epoch milliseconds. */
export function heldBecause(absence: GatewayError, awaySinceMs: number | undefined, untilMs: number | null): string {
  if (absence.refusal !== undefined) {
    const until = untilMs === null ? '' : ` until ${minuteOf(untilMs)}`;
    return `${reasonOf(absence)}. The message is held and tried again${until}.`;
  }
  if (absence instanceof UnconfirmedPhone) {
    const until = untilMs === null ? 'until then' : `until ${minuteOf(untilMs)} at the latest`;
    return `${absence.message} The message is held ${until}.`;
  }
  const who = absence.code === 'home-offline' ? 'The home is offline' : 'The phone is offline';
  const since = awaySinceMs === undefined ? '' : ` since ${minuteOf(awaySinceMs)}`;
  const until = untilMs === null ? 'until it is back' : `until ${minuteOf(untilMs)}`;
  return `${who}${since}; the message is held ${until}.`;
}

/** `2026-11-22 14:02 UTC`. */
function minuteOf(epochMs: number): string {
  return `${new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
