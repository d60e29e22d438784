import { describe, expect, it } from 'vitest';
import {
  canRetry,
  type Effect,
  type ErrorCodeName,
  effectOf,
  effectOfRefusal,
  errorCodes,
  GatewayError,
  isErrorCode,
  isPassingRefusal,
  mayHaveHappened,
  refusalCodes,
} from '../../protocol/errors.ts';

const effects: Record<ErrorCodeName, Effect> = {
  'invalid-request': 'none',
  unauthorized: 'none',
  forbidden: 'none',
  'not-found': 'none',
  'method-not-allowed': 'none',
  conflict: 'none',
  'idempotency-conflict': 'none',
  'too-large': 'none',
  'unsupported-media-type': 'none',
  'too-many-requests': 'none',
  internal: 'unknown',
  'store-unavailable': 'pending',
  'home-offline': 'none',
  'phone-offline': 'none',
  'phone-not-approved': 'none',
  'phone-unreachable': 'none',
  'phone-malformed': 'unknown',
  'phone-refused': 'none',
  'outcome-unknown': 'unknown',
  'deadline-exceeded': 'pending',
  'tunnel-lost': 'pending',
  'frame-malformed': 'none',
  'frame-too-large': 'none',
  'frame-unknown': 'none',
  'protocol-unsupported': 'none',
  'outcome-pending': 'pending',
  overloaded: 'none',
  'agent-outdated': 'none',
  'not-on-phone': 'none',
  'request-timeout': 'none',
  'headers-too-large': 'none',
  'expectation-failed': 'none',
};

const retryable: readonly ErrorCodeName[] = [
  'too-many-requests',
  'store-unavailable',
  'home-offline',
  'phone-offline',
  'phone-unreachable',
  'deadline-exceeded',
  'tunnel-lost',
  'outcome-pending',
  'overloaded',
  'request-timeout',
];

describe('the effect of an error code', () => {
  it('is listed here for each code', () => {
    expect(Object.keys(effects).sort()).toEqual(Object.keys(errorCodes).sort());
  });

  it.each(Object.entries(effects))('%s: %s', (code, effect) => {
    if (!isErrorCode(code)) throw new Error(`${code} is no code`);
    const error = new GatewayError(code, 'for a test');
    expect(effectOf(error)).toBe(effect);
    expect(mayHaveHappened(error)).toBe(effect !== 'none');
    expect(canRetry(error)).toBe(retryable.includes(code));
  });

  it('is what the thrower says, where it knows more than the code', () => {
    const error = new GatewayError('store-unavailable', 'The disk is full.', { effect: 'none' });
    expect(effectOf(error)).toBe('none');
    expect(mayHaveHappened(error)).toBe(false);
  });
});

describe('the effect of a UPnP error code', () => {
  const proofs = [401, 402, 600, 601, 602, 603, 604, 605, 606, 701, 702, 703, 704, 705, 706, 707, 708, 709];
  const passing = [603, 709];

  it('is listed here for each code', () => {
    expect(Object.keys(refusalCodes).map(Number)).toEqual([...proofs, 501].sort((a, b) => a - b));
  });

  it.each(proofs)('%i proves that nothing was done', (upnpCode) => {
    expect(effectOfRefusal(upnpCode)).toBe('none');
    expect(isPassingRefusal({ upnpCode })).toBe(passing.includes(upnpCode));
    const error = new GatewayError('phone-refused', 'no', { refusal: { upnpCode, upnpDescription: '' } });
    expect(canRetry(error)).toBe(passing.includes(upnpCode));
  });

  it.each([501, 403, 404, 500, 607, 699, 700, 710, 799, 800, 899, 0, -1, Number.NaN])(
    '%d proves nothing',
    (upnpCode) => {
      expect(effectOfRefusal(upnpCode)).toBe('unknown');
      expect(isPassingRefusal({ upnpCode })).toBe(false);
    },
  );

  it('without a code proves nothing', () => {
    expect(effectOfRefusal(undefined)).toBe('unknown');
    expect(isPassingRefusal(undefined)).toBe(false);
    expect(isPassingRefusal({})).toBe(false);
  });
});
