import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  base32,
  encodeUlidTime,
  maxUlidTimeMs,
  newUlid,
  nextUlid,
  timeOfUlid,
  ulidFloor,
  ulidOf,
} from '../../shared/ulid.ts';

const timeMs = fc.integer({ min: 0, max: maxUlidTimeMs });
const form = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

describe('a new ULID', () => {
  it('has the form and gives back its time', () => {
    fc.assert(
      fc.property(timeMs, (ms) => {
        const ulid = newUlid(ms);
        expect(ulid).toMatch(form);
        expect(timeOfUlid(ulid)).toBe(ms);
      }),
    );
  });

  it('sorts by its time, and never before the floor of that time', () => {
    fc.assert(
      fc.property(timeMs, timeMs, (one, other) => {
        if (one !== other) expect(newUlid(one) < newUlid(other)).toBe(one < other);
        expect(newUlid(one) >= ulidFloor(one)).toBe(true);
      }),
    );
  });

  it('is never given twice', () => {
    const ulids = Array.from({ length: 10_000 }, () => newUlid(1_700_000_000_000));
    expect(new Set(ulids).size).toBe(ulids.length);
  });

  it('is the example of the specification at its time', () => {
    expect(encodeUlidTime(1_469_922_850_259)).toBe('01ARZ3NDEK');
    expect(timeOfUlid('01ARZ3NDEKTSV4RRFFQ69G5FAV')).toBe(1_469_922_850_259);
  });
});

describe('the next ULID', () => {
  it('is always greater, wherever the clock stands', () => {
    fc.assert(
      fc.property(timeMs, timeMs, (before, nowMs) => {
        const last = newUlid(before);
        const next = nextUlid(last, nowMs);
        expect(next > last).toBe(true);
        expect(next).toMatch(form);
      }),
    );
  });

  it('carries over to the characters before', () => {
    expect(nextUlid('01ARZ3NDEK000000000000000Z', 0)).toBe('01ARZ3NDEK0000000000000010');
    expect(nextUlid('01ARZ3NDEKZZZZZZZZZZZZZZZZ', 0)).toBe('01ARZ3NDEM0000000000000000');
    expect(() => nextUlid('Z'.repeat(26), 0)).toThrow(RangeError);
  });

  it('begins where there was none', () => {
    expect(timeOfUlid(nextUlid('', 1234))).toBe(1234);
  });
});

describe('the parts of a ULID', () => {
  it('are the same for the same bytes, of which five bits count', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, at) => at * 32 + at);
    expect(ulidOf(0, bytes)).toBe('00000000000123456789ABCDEF');
  });

  it('are written from any number', () => {
    expect(base32(0n, 3)).toBe('000');
    expect(base32(31n + 32n, 2)).toBe('1Z');
    expect(base32((1n << 80n) - 1n, 16)).toBe('Z'.repeat(16));
  });

  it.each([-1, 0.5, Number.NaN, maxUlidTimeMs + 1])('refuse the time %s', (ms) => {
    expect(() => encodeUlidTime(ms)).toThrow(RangeError);
  });

  it.each(['', 'short', '01ARZ3NDEKTSV4RRFFQ69G5FA', 'U1ARZ3NDEKTSV4RRFFQ69G5FAV'])('have no time in %j', (text) => {
    expect(() => timeOfUlid(text)).toThrow(RangeError);
  });
});
