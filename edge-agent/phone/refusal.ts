// SOAP faults of the phone: the profile's codes 701–709 and the common UPnP codes.
import { UpnpError, upnpCodes } from '../upnp/error.ts';

const refusals = {
  'invalid-document': [upnpCodes.argumentValueInvalid, 'Argument Value Invalid'],
  'not-allowed-value': [upnpCodes.argumentValueOutOfRange, 'Argument Value Out of Range'],
  'too-often': [upnpCodes.actionFailed, 'Too many messages in a short time'],
  'no-room': [upnpCodes.outOfMemory, 'Out of Memory'],
  'no-message': [701, 'No such message'],
  'no-session': [702, 'No such session'],
  'wrong-state': [703, 'Not in a state for this action'],
  'class-not-supported': [704, 'Message or session class not supported'],
  'content-not-supported': [705, 'Content type not supported'],
  'recipient-not-valid': [706, 'Recipient not valid'],
  'no-transfer': [707, 'No such file transfer'],
  'too-large': [708, 'Too large'],
  'not-reachable': [709, 'The phone is not reachable now'],
} as const satisfies Record<string, readonly [number, string]>;

export type RefusalName = keyof typeof refusals;

/** The UpnpError that is answered as this SOAP fault. */
export function refuse(refusal: RefusalName, cause?: unknown): UpnpError {
  const [upnpCode, upnpDescription] = refusals[refusal];
  return new UpnpError('refused', upnpDescription, { upnpCode, upnpDescription, cause });
}
