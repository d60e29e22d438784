// Strict UTF-8 decoding (Encoding Standard, §8.1) that reports the position of the first malformed byte.

const strict = new TextDecoder('utf-8', { fatal: true });
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });

/** The text, or the 0-based position of the first malformed byte. */
export function readUtf8(bytes: Uint8Array): { text: string } | { malformedAt: number } {
  try {
    return { text: strict.decode(bytes) };
  } catch {
    return { malformedAt: firstMalformed(bytes) };
  }
}

/** Re-encode the leniently decoded text: it equals the input up to the first replacement character. */
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
