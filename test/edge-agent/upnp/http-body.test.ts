// Bodies in pieces of any size. Requirements H24, X17, Z20.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { HttpBody } from '../../../edge-agent/upnp/network/http-body.ts';

it('joins pieces of any size', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 50 })), (pieces) => {
      const body = new HttpBody(5000);
      for (const piece of pieces) expect(body.add(Buffer.from(piece))).toBe(true);
      expect(body.bytes).toEqual(Buffer.concat(pieces));
    }),
  );
});

it('refuses a piece over the cap and keeps the ones before', () => {
  const body = new HttpBody(5);
  expect(body.add(Buffer.from('abc'))).toBe(true);
  expect(body.add(Buffer.from('def'))).toBe(false);
  expect(body.add(Buffer.from('de'))).toBe(true);
  expect(body.bytes.toString()).toBe('abcde');
});

it('never allocates more than the cap although it grows by doubling', () => {
  const maxBytes = 100_000;
  const body = new HttpBody(maxBytes);
  const piece = Buffer.from('ten bytes.');
  for (let at = 0; at < maxBytes; at += piece.length) expect(body.add(piece)).toBe(true);
  expect(body.bytes.length).toBe(maxBytes);
  expect(body.bytes.buffer.byteLength).toBe(maxBytes);
});
