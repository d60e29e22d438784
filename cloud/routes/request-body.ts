// Request bodies in memory, limited by size, time and number.
// Not hono/body-limit, which limits the size alone, and reads a body of undeclared length before its sender is known.
// Before these limits, 1,200 clients that held back the last byte of 1 MiB each cost 1.3 GB.
import { GatewayError } from '../../protocol/errors.ts';
import type { Deadlines } from '../hub/hub-deps.ts';

export const bodyLimits = {
  /** For clients with a token: a message of 262,144 characters fits with its escapes. */
  known: { bytes: 1024 * 1024, ms: 60_000, bytesOfOne: 32 * 1024 * 1024, bytesOfAll: 128 * 1024 * 1024 },
  /** For clients without a token: a sign-in code or token. */
  stranger: { bytes: 2 * 1024, ms: 10_000, atOnce: 256 },
} as const;

/** How to read a body: its declared length, if any, and its bytes, whole or as a stream. */
export interface BodySource {
  readonly length: number | undefined;
  bytes(): Promise<Uint8Array>;
  stream(): ReadableStream<Uint8Array> | null;
}

interface Reading {
  readonly by: string;
  bytes: number;
  giveUp(why: GatewayError): void;
}

export class RequestBodies {
  readonly #deadlines: Deadlines;
  readonly #strangers = new Set<Reading>();
  readonly #bytesBy = new Map<string, number>();
  #bytes = 0;

  constructor(deadlines: Deadlines) {
    this.#deadlines = deadlines;
  }

  /**
   * The body of a client with this token.
   * @throws GatewayError `too-large`, `request-timeout`, `too-many-requests`, `overloaded`; `invalid-request` if the client disconnects
   */
  ofToken(token: string, source: BodySource): Promise<Uint8Array> {
    const { bytes, ms } = bodyLimits.known;
    return this.#read(token, source, bytes, ms, (reading, more) => this.#take(reading, more));
  }

  /** The body of a client without a token, from this address. @throws GatewayError as `ofToken` */
  async ofStranger(address: string, source: BodySource): Promise<Uint8Array> {
    const { bytes, ms, atOnce } = bodyLimits.stranger;
    let reading: Reading | undefined;
    try {
      return await this.#read(address, source, bytes, ms, (begun) => {
        reading = begun;
        // Honest bodies arrive within moments, so accept the new one and evict the one that has been pending for longest.
        if (!this.#strangers.has(begun) && this.#strangers.size >= atOnce) this.#dropOne();
        this.#strangers.add(begun);
      });
    } finally {
      if (reading !== undefined) this.#strangers.delete(reading);
    }
  }

  /** The number of pending bodies of clients without a token. */
  get strangers(): number {
    return this.#strangers.size;
  }

  async #read(
    by: string,
    source: BodySource,
    mostBytes: number,
    ms: number,
    take: (reading: Reading, more: number) => void,
  ): Promise<Uint8Array> {
    const { length } = source;
    if (length !== undefined && length > mostBytes) throw tooLarge(mostBytes);
    const { promise: end, reject: giveUp } = Promise.withResolvers<never>();
    const reading: Reading = { by, bytes: 0, giveUp };
    let isOver = false;
    const cancel = this.#deadlines.after(ms, () =>
      giveUp(new GatewayError('request-timeout', `The body was not here within ${ms / 1000} seconds.`)),
    );
    try {
      take(reading, length ?? 0);
      const takeMore = (more: number) => {
        // Drop chunks that arrive after this read was aborted.
        if (isOver) throw new GatewayError('request-timeout', 'The body came too late.');
        take(reading, more);
      };
      const whole = length === undefined ? collected(source.stream(), mostBytes, takeMore) : source.bytes();
      return await Promise.race([whole.catch(brokenOff), end]);
    } finally {
      isOver = true;
      cancel();
      this.#release(reading);
    }
  }

  #take(reading: Reading, more: number): void {
    const { bytesOfOne, bytesOfAll } = bodyLimits.known;
    const ofOne = (this.#bytesBy.get(reading.by) ?? 0) + more;
    if (ofOne > bytesOfOne) {
      throw new GatewayError('too-many-requests', 'This token has too many large requests under way at once.');
    }
    if (this.#bytes + more > bytesOfAll) {
      throw new GatewayError('overloaded', 'Too many large requests are under way at once: try again.');
    }
    reading.bytes += more;
    this.#bytes += more;
    this.#bytesBy.set(reading.by, ofOne);
  }

  #release({ by, bytes }: Reading): void {
    if (bytes === 0) return;
    this.#bytes -= bytes;
    const left = (this.#bytesBy.get(by) ?? 0) - bytes;
    if (left > 0) this.#bytesBy.set(by, left);
    else this.#bytesBy.delete(by);
  }

  /** The oldest pending body of the address that has the most. */
  #dropOne(): void {
    const byAddress = Map.groupBy(this.#strangers, ({ by }) => by);
    let largest: Reading[] = [];
    for (const group of byAddress.values()) if (group.length > largest.length) largest = group;
    const [oldest] = largest;
    if (oldest === undefined) return;
    this.#strangers.delete(oldest);
    oldest.giveUp(new GatewayError('overloaded', 'Too many bodies are awaited at once: send yours whole.'));
  }
}

/** A client that disconnects is not our error: log nothing. Nobody reads this response. */
function brokenOff(error: unknown): never {
  if (error instanceof GatewayError) throw error;
  throw new GatewayError('invalid-request', 'The request broke off before its body was whole.');
}

async function collected(
  stream: ReadableStream<Uint8Array> | null,
  mostBytes: number,
  take: (more: number) => void,
): Promise<Uint8Array> {
  if (stream === null) return new Uint8Array();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > mostBytes) throw tooLarge(mostBytes);
    take(chunk.byteLength);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

function tooLarge(mostBytes: number): GatewayError {
  const most = mostBytes >= 1024 * 1024 ? `${mostBytes / 1024 / 1024} MiB` : `${mostBytes / 1024} KiB`;
  return new GatewayError('too-large', `The body is over ${most}.`);
}
