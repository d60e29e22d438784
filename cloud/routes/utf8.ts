// Bytes as UTF-8 (Encoding Standard, §8.1), told apart from what a lenient reader makes of them: another text.

const strict = new TextDecoder('utf-8', { fatal: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text, or the place of the first byte that belongs to no character, counted from 0. */
export function readUtf8(bytes: Uint8Array): { text: string } | { malformedAt: number } {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { malformedAt: firstMalformed(bytes) };
  }
}

/** The lenient text written again is the same up to the first replacement character, and not the same in it. */
function firstMalformed(bytes: Uint8Array): number {
  const rewritten = new TextEncoder().encode(lenient.decode(bytes));
  let place = 0;
  while (rewritten[place] === bytes[place]) place++;
  while (isContinuation(rewritten[place])) place--;
  return place;
}

function isContinuation(byte = 0): boolean {
  return (byte & 0xc0) === 0x80;
}
