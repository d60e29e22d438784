// The rate limit for messages per control point (requirement Z14).
import { expect, it } from 'vitest';
import { SendLimit } from '../../../edge-agent/phone/send-limit.ts';

it('refuses messages over the limit, per sender, until the minute ends', () => {
  const limit = new SendLimit(2);
  const refused = (address: string, nowMs: number) => {
    try {
      limit.count(address, nowMs);
      return false;
    } catch {
      return true;
    }
  };
  expect([0, 1, 2].map((nowMs) => refused('192.0.2.7', nowMs))).toEqual([false, false, true]);
  expect(refused('192.0.2.8', 3)).toBe(false);
  expect(refused('192.0.2.7', 60_000)).toBe(false);
});

it('does not limit this machine', () => {
  const limit = new SendLimit(0);
  expect(() => limit.count('127.0.0.1', 0)).not.toThrow();
  expect(() => limit.count('192.0.2.7', 0)).toThrow('Too many');
});
