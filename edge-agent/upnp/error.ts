// The one error that leaves this folder: what failed between us and a UPnP device, and whether the device may have acted.

/**
 * - `unreachable`: no usable answer came (no route, refused connection, deadline, our own rules forbid the address).
 * - `malformed`: something came that cannot be understood.
 * - `refused`: the device answered, and its answer is an error.
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

/** Numbers and names of the UPnP codes that every service shares (UPnP Device Architecture 2.0, table 3-3). */
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
  /** The device's own words: untrusted text, not to be logged raw (requirement Z16). */
  readonly upnpDescription: string | undefined;
  readonly httpStatus: number | undefined;

  constructor(kind: UpnpErrorKind, message: string, details: UpnpErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.kind = kind;
    // An answer that cannot be understood does not say what was done.
    this.outcome = details.outcome ?? (kind === 'refused' ? 'answered' : 'unknown');
    this.upnpCode = details.upnpCode;
    this.upnpDescription = details.upnpDescription;
    this.httpStatus = details.httpStatus;
  }
}

/** The same failure as a UpnpError: for what a library or a socket threw. */
export function asUpnpError(error: unknown, kind: UpnpErrorKind, message: string): UpnpError {
  return error instanceof UpnpError ? error : new UpnpError(kind, message, { cause: error });
}
