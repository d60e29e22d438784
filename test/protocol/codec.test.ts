import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeCloudFrame, decodeEdgeFrame, encodeEvents, encodeFrame, sequence } from '../../protocol/codec.ts';
import { GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, EdgeFrame } from '../../protocol/frames.ts';
import { limits } from '../../protocol/limits.ts';

const time = '2026-11-22T19:30:00.000Z';
const udn = fc.string({ minLength: 1, maxLength: 60 });
const id = fc.string({ minLength: 1, maxLength: 64 });
const seq = fc.integer({ min: 1 });
const words = fc.string({ maxLength: 100 });

const edgeFrames: fc.Arbitrary<EdgeFrame> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    protocol: fc.array(fc.integer(), { minLength: 1, maxLength: 4 }),
    software: words,
    bootId: id,
    firstSeq: seq,
  }),
  fc.record({
    type: fc.constant('events' as const),
    events: fc.array(fc.record({ seq, time: fc.constant(time), event: fc.jsonValue() }), {
      minLength: 1,
      maxLength: limits.eventsPerFrame,
    }),
  }),
  fc.record({ type: fc.constant('failure' as const), id, code: fc.constant('phone-offline'), detail: words }),
  fc.record({ type: fc.constant('inventory' as const), udn }),
  fc.record({ type: fc.constant('error' as const), code: fc.constant('frame-unknown'), detail: words }),
);

const cloudFrames: fc.Arbitrary<CloudFrame> = fc.oneof(
  fc.record({ type: fc.constant('approvals' as const), approved: fc.array(udn, { maxLength: limits.phones }) }),
  fc.record({ type: fc.constant('ack' as const), seq }),
  fc.record({ type: fc.constant('nak' as const), seq, delayMs: fc.nat({ max: 300_000 }), reason: words }),
  fc.record({
    type: fc.constant('call' as const),
    id,
    udn,
    action: fc.constant('ReadMessage'),
    form: fc.constantFrom('text' as const, 'model' as const),
    arguments: fc.constant({ MessageID: '007' }),
    deadlineMs: fc.integer({ min: 1, max: 120_000 }),
  }),
  fc.record({ type: fc.constant('drain' as const), spreadMs: fc.nat({ max: 3_600_000 }) }),
);

describe('frames', () => {
  it('survive encoding and decoding', () => {
    const plain = (frame: unknown) => JSON.parse(JSON.stringify(frame));
    fc.assert(
      fc.property(edgeFrames, (frame) => {
        expect(decodeEdgeFrame(encodeFrame(frame))).toEqual(plain(frame));
      }),
    );
    fc.assert(
      fc.property(cloudFrames, (frame) => {
        expect(decodeCloudFrame(encodeFrame(frame))).toEqual(plain(frame));
      }),
    );
  });

  it('are refused before they are parsed when they are too large, and are not written so', () => {
    expect(codeOf(() => decodeCloudFrame(' '.repeat(limits.frameChars + 1)))).toBe('frame-too-large');
    const huge: EdgeFrame = { type: 'result', id: '1', arguments: { MessageList: 'x'.repeat(limits.frameChars) } };
    expect(codeOf(() => encodeFrame(huge))).toBe('frame-too-large');
  });

  it.each([
    ['', 'frame-malformed'],
    ['null', 'frame-malformed'],
    ['[]', 'frame-malformed'],
    ['{}', 'frame-malformed'],
    ['{"type":7}', 'frame-malformed'],
    ['{"type":"toString"}', 'frame-unknown'],
    ['{"type":"hello","protocol":[1]}', 'frame-unknown'],
    ['{"type":"ack","seq":0}', 'frame-malformed'],
    ['{"type":"ack","seq":1.5}', 'frame-malformed'],
    ['{"type":"nak","seq":1,"delayMs":-1,"reason":""}', 'frame-malformed'],
    [
      '{"type":"call","id":"1","udn":"u","action":"FormatDisk","form":"text","arguments":{},"deadlineMs":1}',
      'frame-malformed',
    ],
  ])('of the cloud that are not valid have a code: %s', (text, code) => {
    expect(codeOf(() => decodeCloudFrame(text))).toBe(code);
  });

  it('never throw anything but a GatewayError, whatever the text', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.json());
    fc.assert(
      fc.property(text, (given) => {
        for (const decode of [decodeCloudFrame, decodeEdgeFrame])
          expect(codeOf(() => decode(given))).toMatch(/^frame-/);
      }),
    );
  });
});

function codeOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof GatewayError) return error.code;
    throw error;
  }
  return 'nothing was thrown';
}

describe('events that are kept as text', () => {
  const time = '2026-11-22T19:30:00.120Z';
  const event = { type: 'message.deleted', udn: 'uuid:“1”', epoch: 0, id: `m_${'0'.repeat(26)}` };

  it('go into a frame as it would be written from their values', () => {
    const events = [41, 42].map((seq) => ({ seq, time, event }));
    const texts = events.map(({ seq }) => sequence(seq, time, JSON.stringify(event)));
    expect(encodeEvents(texts)).toBe(encodeFrame({ type: 'events', events }));
    expect(decodeEdgeFrame(encodeEvents(texts))).toEqual({ type: 'events', events });
  });

  it('are refused where no frame can hold them', () => {
    const long = sequence(1, time, JSON.stringify({ ...event, udn: 'x'.repeat(limits.frameChars) }));
    expect(codeOf(() => encodeEvents([long]))).toBe('frame-too-large');
  });
});
