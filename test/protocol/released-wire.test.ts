import { describe, expect, it } from 'vitest';
import { decodeCloudFrame, decodeEdgeFrame } from '../../protocol/codec.ts';
import { sharedFeatures } from '../../protocol/features.ts';
import { framesOf, releasedWire } from '../fixtures/wire/released-wire.ts';

const decode = { agent: decodeEdgeFrame, cloud: decodeCloudFrame };

describe('frames of a released version', () => {
  it('are read without loss', () => {
    expect(releasedWire.length).toBeGreaterThan(30);
    for (const { from, frame } of releasedWire) expect(decode[from](JSON.stringify(frame))).toEqual(frame);
  });

  it('are read the same with fields that this version does not know', () => {
    for (const { from, frame } of releasedWire) {
      expect(decode[from](JSON.stringify({ ...frame, novelty: { of: ['a', 'later', 'version'] } }))).toEqual(frame);
    }
  });
});

describe('features', () => {
  it('that this version does not know are ignored', () => {
    const features = ['teleport', 'dead-letters'];
    for (const [from, type] of [
      ['agent', 'hello'],
      ['cloud', 'welcome'],
    ] as const) {
      const told = decode[from](JSON.stringify({ ...framesOf(from, type)[0], features }));
      expect(told).toMatchObject({ features });
    }
    expect(sharedFeatures(features)).toEqual(['dead-letters']);
  });

  it('of an end that names none are none', () => {
    expect(sharedFeatures(undefined)).toEqual([]);
  });
});
