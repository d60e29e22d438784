// UpnpError → GatewayError: the first of the three translations of errors. The others are hub/calls.ts and routes/problem.ts.
import { type Effect, effectOfRefusal, GatewayError } from '../../protocol/errors.ts';
import { UpnpError } from '../upnp/error.ts';

/** Whether the phone may have acted on a request that failed with this error. */
export function effectAtPhone(error: UpnpError): Exclude<Effect, 'pending'> {
  if (error.outcome === 'not-done') return 'none';
  if (error.kind !== 'refused') return 'unknown';
  // HTTP's own refusals (4xx), in place of a fault: the request did not reach the service.
  if (error.upnpCode === undefined && error.httpStatus !== undefined && error.httpStatus < 500) return 'none';
  return effectOfRefusal(error.upnpCode);
}

/**
 * What failed at a phone in the words of the wire. After an answer that was lost or cannot be understood, an action that
 * must not happen twice may have happened. After any refusal by a fault this says `phone-refused`: whether the phone acted
 * all the same is asked by `effectAtPhone`.
 */
export function translate(error: unknown, call: { repeatable: boolean; deadlinePassed?: boolean }): GatewayError {
  if (error instanceof GatewayError) return error;
  if (!(error instanceof UpnpError)) return new GatewayError('internal', 'The agent failed.', { cause: error });
  const cause = { cause: error };
  if (!call.repeatable && (error.outcome === 'unknown' || error.kind === 'malformed')) {
    return new GatewayError('outcome-unknown', "The phone's answer was lost: it may or may not have done it.", cause);
  }
  switch (error.kind) {
    case 'refused': {
      const { upnpCode, upnpDescription = '' } = error;
      if (upnpCode === undefined)
        return new GatewayError('phone-refused', 'The phone refused without a reason.', cause);
      const refusal = { upnpCode, upnpDescription };
      const words = upnpDescription === '' ? `${upnpCode}` : `${upnpCode}, “${upnpDescription}”`;
      return new GatewayError('phone-refused', `The phone refused: ${words}.`, { ...cause, refusal });
    }
    case 'malformed':
      return new GatewayError('phone-malformed', "The phone's answer cannot be understood.", cause);
    case 'unreachable':
      return call.deadlinePassed === true
        ? new GatewayError('deadline-exceeded', 'The phone did not answer in time.', cause)
        : new GatewayError('phone-unreachable', 'The phone does not answer on the household’s network.', cause);
  }
}
