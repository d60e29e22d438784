// The one list of error codes. It is append-only, because clients match on the codes. Each has its HTTP status and title
// (RFC 9457) and what it says of the request that it answers, so that no other file lists codes to find that out.

/**
 * What an error says of the request that it answers:
 * - `none`: this attempt did nothing. An earlier attempt under the same key may still have.
 * - `pending`: the answer is missing. Asked again under its key, the agent or the store tells what happened.
 * - `unknown`: it may or may not have happened, and asking again tells nobody more.
 *
 * No error says that the request was done: that is a result.
 */
export type Effect = 'none' | 'pending' | 'unknown';

interface ErrorCode {
  readonly status: number;
  readonly title: string;
  readonly effect: Effect;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable?: true;
}

export const errorCodes = {
  'invalid-request': { status: 400, title: 'The request is not valid', effect: 'none' },
  unauthorized: { status: 401, title: 'A valid token is needed', effect: 'none' },
  forbidden: { status: 403, title: 'This token may not do that', effect: 'none' },
  'not-found': { status: 404, title: 'There is no such thing', effect: 'none' },
  'method-not-allowed': { status: 405, title: 'This address does not take that method', effect: 'none' },
  conflict: { status: 409, title: 'The present state does not allow this', effect: 'none' },
  'idempotency-conflict': { status: 409, title: 'This Idempotency-Key was used with another request', effect: 'none' },
  'too-large': { status: 413, title: 'The request is too large', effect: 'none' },
  'unsupported-media-type': { status: 415, title: 'The body must be JSON', effect: 'none' },
  'too-many-requests': { status: 429, title: 'Too many requests at once', effect: 'none', retryable: true },
  internal: { status: 500, title: 'Something went wrong on our side', effect: 'unknown' },
  'store-unavailable': { status: 503, title: 'The store does not answer', effect: 'pending', retryable: true },
  'home-offline': { status: 503, title: 'The home is offline', effect: 'none', retryable: true },
  'phone-offline': { status: 503, title: 'The phone is offline', effect: 'none', retryable: true },
  'phone-not-approved': { status: 409, title: 'The household has not approved this phone', effect: 'none' },
  'phone-unreachable': { status: 502, title: 'The phone does not answer', effect: 'none', retryable: true },
  'phone-malformed': {
    status: 502,
    title: 'The phone answered with something that cannot be understood',
    effect: 'unknown',
  },
  'phone-refused': { status: 422, title: 'The phone refused', effect: 'none' },
  'outcome-unknown': { status: 502, title: 'The answer was lost: it may or may not have happened', effect: 'unknown' },
  'deadline-exceeded': { status: 504, title: 'No answer in time', effect: 'pending', retryable: true },
  'tunnel-lost': { status: 503, title: 'The connection to the home broke off', effect: 'pending', retryable: true },
  'frame-malformed': { status: 400, title: 'The frame cannot be understood', effect: 'none' },
  'frame-too-large': { status: 413, title: 'The frame is too large', effect: 'none' },
  'frame-unknown': { status: 400, title: 'The frame is of an unknown type', effect: 'none' },
  'protocol-unsupported': { status: 400, title: 'No protocol version in common', effect: 'none' },
  'outcome-pending': {
    status: 503,
    title: 'The answer was lost: it is being looked up',
    effect: 'pending',
    retryable: true,
  },
  overloaded: { status: 503, title: 'The cloud is too busy now', effect: 'none', retryable: true },
  'agent-outdated': { status: 501, title: 'The agent at home is too old for this', effect: 'none' },
  'not-on-phone': { status: 409, title: 'The phone no longer has this message', effect: 'none' },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', effect: 'none', retryable: true },
  'headers-too-large': { status: 431, title: 'The header fields are too large', effect: 'none' },
  'expectation-failed': { status: 417, title: 'This expectation cannot be met', effect: 'none' },
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

/** What a phone's UPnP error code says of the action that it answers. */
interface RefusalCode {
  readonly effect: 'none' | 'unknown';
  /** Whether the phone may take the unchanged request later. */
  readonly retryable?: true;
}

/**
 * The codes whose meaning is known: those that every service shares (UPnP Device Architecture 2.0, table 3-3) and the
 * messaging profile's own. Each names a check that comes before the action, except 501 Action Failed.
 */
export const refusalCodes: Readonly<Record<number, RefusalCode>> = {
  401: { effect: 'none' },
  402: { effect: 'none' },
  // A phone that acts and then fails answers this too.
  501: { effect: 'unknown' },
  600: { effect: 'none' },
  601: { effect: 'none' },
  602: { effect: 'none' },
  // Out of Memory: table 3-3 calls it a temporary condition, to be tried again.
  603: { effect: 'none', retryable: true },
  604: { effect: 'none' },
  605: { effect: 'none' },
  606: { effect: 'none' },
  701: { effect: 'none' },
  702: { effect: 'none' },
  703: { effect: 'none' },
  704: { effect: 'none' },
  705: { effect: 'none' },
  706: { effect: 'none' },
  707: { effect: 'none' },
  708: { effect: 'none' },
  // The phone is not reachable now.
  709: { effect: 'none', retryable: true },
};

/** Whether the action may have happened although the phone answered with this code, or with an error without a code. */
export function effectOfRefusal(upnpCode: number | undefined): RefusalCode['effect'] {
  return (upnpCode === undefined ? undefined : refusalCodes[upnpCode])?.effect ?? 'unknown';
}

/** Whether the phone refuses for now: nothing was done, and it may take the unchanged request later. */
export function isPassingRefusal(refusal: { readonly upnpCode?: number | undefined } | undefined): boolean {
  return refusal?.upnpCode !== undefined && refusalCodes[refusal.upnpCode]?.retryable === true;
}

/**
 * The one error that crosses rooms. `detail` says in words for people what happened and what to do, without
 * secrets, phone numbers or text of messages.
 */
export class GatewayError extends Error {
  readonly code: ErrorCodeName;
  readonly refusal: PhoneRefusal | undefined;
  /** After how long to try again, where that is known. */
  readonly retryAfterMs: number | undefined;
  /** Where the thrower knows more than the code says. Read it by `effectOf`. */
  readonly effect: Effect | undefined;

  constructor(
    code: ErrorCodeName,
    detail: string,
    options: { refusal?: PhoneRefusal; retryAfterMs?: number; effect?: Effect | undefined; cause?: unknown } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GatewayError';
    this.code = code;
    this.refusal = options.refusal;
    this.retryAfterMs = options.retryAfterMs;
    this.effect = options.effect;
  }
}

/** What is known of the request that failed with this error. */
export function effectOf({ code, effect }: GatewayError): Effect {
  return effect ?? errorCodes[code].effect;
}

/** Whether the request may have happened in spite of the error. */
export function mayHaveHappened(error: GatewayError): boolean {
  return effectOf(error) !== 'none';
}

/** Whether the same request, unchanged and under its key, may succeed later. */
export function canRetry({ code, refusal }: GatewayError): boolean {
  return (errorCodes[code] as ErrorCode).retryable === true || isPassingRefusal(refusal);
}
