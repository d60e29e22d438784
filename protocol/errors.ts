// The one list of error codes: append-only, for clients match on them. Each has its HTTP status and its title,
// so that a new code does not compile until it has both (RFC 9457).

interface ErrorCode {
  readonly status: number;
  readonly title: string;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable?: true;
}

export const errorCodes = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  unauthorized: { status: 401, title: 'A valid token is needed' },
  forbidden: { status: 403, title: 'This token may not do that' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'This address does not take that method' },
  conflict: { status: 409, title: 'The present state does not allow this' },
  'idempotency-conflict': { status: 409, title: 'This Idempotency-Key was used with another request' },
  'too-large': { status: 413, title: 'The request is too large' },
  'unsupported-media-type': { status: 415, title: 'The body must be JSON' },
  'too-many-requests': { status: 429, title: 'Too many requests at once', retryable: true },
  internal: { status: 500, title: 'Something went wrong on our side' },
  'store-unavailable': { status: 503, title: 'The store does not answer', retryable: true },
  'home-offline': { status: 503, title: 'The home is offline', retryable: true },
  'phone-offline': { status: 503, title: 'The phone is offline', retryable: true },
  'phone-not-approved': { status: 409, title: 'The household has not approved this phone' },
  'phone-unreachable': { status: 502, title: 'The phone does not answer', retryable: true },
  'phone-malformed': { status: 502, title: 'The phone answered with something that cannot be understood' },
  'phone-refused': { status: 422, title: 'The phone refused' },
  'outcome-unknown': { status: 502, title: 'The answer was lost: it may or may not have happened' },
  'deadline-exceeded': { status: 504, title: 'No answer in time', retryable: true },
  'tunnel-lost': { status: 503, title: 'The connection to the home broke off', retryable: true },
  'frame-malformed': { status: 400, title: 'The frame cannot be understood' },
  'frame-too-large': { status: 413, title: 'The frame is too large' },
  'frame-unknown': { status: 400, title: 'The frame is of an unknown type' },
  'protocol-unsupported': { status: 400, title: 'No protocol version in common' },
  'outcome-pending': { status: 503, title: 'The answer was lost: it is being looked up', retryable: true },
  overloaded: { status: 503, title: 'The cloud is too busy now', retryable: true },
  'agent-outdated': { status: 501, title: 'The agent at home is too old for this' },
  'not-on-phone': { status: 409, title: 'The phone no longer has this message' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', retryable: true },
  'headers-too-large': { status: 431, title: 'The header fields are too large' },
  'expectation-failed': { status: 417, title: 'This expectation cannot be met' },
} as const satisfies Record<string, ErrorCode>;

export type ErrorCodeName = keyof typeof errorCodes;

export function isErrorCode(code: string): code is ErrorCodeName {
  return Object.hasOwn(errorCodes, code);
}

/** What the phone itself said when it refused. */
export interface PhoneRefusal {
  upnpCode: number;
  upnpDescription: string;
}

/**
 * Whether this is a refusal after which the phone may take the unchanged request later: 603 Out of Memory (UPnP
 * Device Architecture 2.0, table 3-3: a temporary condition, to be tried again), and the profile's 709, it is not
 * reachable now.
 */
export function isPassingRefusal(refusal: { readonly upnpCode?: number | undefined } | undefined): boolean {
  return refusal?.upnpCode === 603 || refusal?.upnpCode === 709;
}

/**
 * The one error that crosses rooms. `detail` names the cause and the mend in words for people, without secrets,
 * phone numbers or text of messages.
 */
export class GatewayError extends Error {
  readonly code: ErrorCodeName;
  readonly refusal: PhoneRefusal | undefined;
  /** After how long to try again, where that is known. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ErrorCodeName,
    detail: string,
    options: { refusal?: PhoneRefusal; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.refusal = options.refusal;
    this.retryAfterMs = options.retryAfterMs;
  }
}
