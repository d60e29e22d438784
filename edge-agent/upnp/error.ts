// The only error that leaves upnp/: what failed between us and a device, and whether the device may have acted.

/**
 * - `unreachable`: no usable answer (no route, connection refused, deadline, or an address that our rules forbid).
 * - `malformed`: an answer that cannot be parsed.
 * - `refused`: an answer that is an error.
 */
export type UpnpErrorKind = 'unreachable' | 'malformed' | 'refused';

/** Whether the device may have acted on the request: it cannot have, it may have, or it answered. */
export type Outcome = 'not-done' | 'unknown' | 'answered';

export interface UpnpErrorDetails {
  outcome?: Outcome;
  upnpCode?: number | undefined;
  upnpDescription?: string | undefined;
  httpStatus?: number | undefined;
  cause?: unknown;
}

/** UPnP error codes shared by every service (UPnP Device Architecture 2.0, table 3-3). */
export const upnpCodes = {
  invalidAction: 401,
  invalidArguments: 402,
  actionFailed: 501,
  argumentValueInvalid: 600,
  argumentValueOutOfRange: 601,
  optionalActionNotImplemented: 602,
  outOfMemory: 603,
  humanInterventionRequired: 604,
  stringArgumentTooLong: 605,
  actionNotAuthorized: 606,
} as const;

export class UpnpError extends Error {
  override readonly name = 'UpnpError';
  readonly kind: UpnpErrorKind;
  readonly outcome: Outcome;
  /** The code of a SOAP fault: 401, 402, 501, 6xx common, 7xx of the service, 8xx of the vendor. */
  readonly upnpCode: number | undefined;
  /** The device's own text: untrusted, not to be logged raw (requirement Z16). */
  readonly upnpDescription: string | undefined;
  readonly httpStatus: number | undefined;

  constructor(kind: UpnpErrorKind, message: string, details: UpnpErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    // An answer that cannot be parsed does not say whether the device acted.
    this.outcome = details.outcome ?? (kind === 'refused' ? 'answered' : 'unknown');
    this.upnpCode = details.upnpCode;
    this.upnpDescription = details.upnpDescription;
    this.httpStatus = details.httpStatus;
  }
}
