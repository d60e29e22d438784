import { describe, expect, it } from 'vitest';
import { BackOff, backOffMs, fullJitter } from '../../shared/back-off.ts';

const times = { firstMs: 500, capMs: 30_000 };

describe('backOffMs', () => {
  it.each([
    [0, 500],
    [1, 1000],
    [5, 16_000],
    [6, 30_000],
    [1_000_000, 30_000],
  ])('after %i failures waits %i ms', (failures, expectedMs) => {
    expect(backOffMs(times, failures)).toBe(expectedMs);
  });

  it.each([
    { spread: fullJitter, random: 0, expectedMs: 0 },
    { spread: fullJitter, random: 0.5, expectedMs: 500 },
    { spread: [0.75, 1.25] as const, random: 0, expectedMs: 750 },
    { spread: [0.75, 1.25] as const, random: 0.5, expectedMs: 1000 },
    { spread: [0.75, 1.25] as const, random: 1, expectedMs: 1250 },
  ])('spreads 1000 ms by $spread to $expectedMs ms where chance gives $random', ({ spread, random, expectedMs }) => {
    expect(backOffMs({ ...times, spread }, 1, () => random)).toBe(expectedMs);
  });

  it('draws by itself within the range', () => {
    const waits = Array.from({ length: 200 }, () => backOffMs({ ...times, spread: fullJitter }, 1));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...waits)).toBeLessThan(1000);
    expect(new Set(waits).size).toBeGreaterThan(1);
  });
});

describe('BackOff', () => {
  it('doubles with each wait and begins again after a success', () => {
    const backOff = new BackOff(times);
    expect([backOff.nextMs(), backOff.nextMs(), backOff.nextMs()]).toEqual([500, 1000, 2000]);
    backOff.reset();
    expect(backOff.nextMs()).toBe(500);
  });

  it('does not grow by being asked for the present wait', () => {
    const backOff = new BackOff(times);
    expect([backOff.currentMs(), backOff.currentMs()]).toEqual([500, 500]);
    backOff.grow();
    expect(backOff.currentMs()).toBe(1000);
  });
});
