// Text → frame and back. Limits are checked before parsing. The only error that leaves this file is GatewayError.
import { z } from 'zod';
import { GatewayError } from './errors.ts';
import { type CloudFrame, cloudFrameSchema, type EdgeFrame, edgeFrameSchema } from './frames.ts';
import { limits } from './limits.ts';

/** A frame as text. @throws GatewayError `frame-too-large` for what the other end must refuse */
export function encodeFrame(frame: EdgeFrame | CloudFrame): string {
  return checkLength(frame.type, JSON.stringify(frame));
}

function checkLength(type: string, text: string): string {
  if (text.length <= limits.frameChars) return text;
  const detail = `A ${type} frame of ${text.length} characters is over ${limits.frameChars}.`;
  throw new GatewayError('frame-too-large', detail);
}

/** An event with its number, as JSON text. */
export interface SequencedText {
  readonly seq: number;
  readonly text: string;
}

/** Puts an event's JSON text behind its number, without parsing it. */
export function sequence(seq: number, time: string, event: string): SequencedText {
  return { seq, text: `{"seq":${seq},"time":${JSON.stringify(time)},"event":${event}}` };
}

/** An `events` frame of such texts. @throws GatewayError `frame-too-large` */
export function encodeEvents(events: readonly SequencedText[]): string {
  return checkLength('events', `{"type":"events","events":[${events.map(({ text }) => text).join(',')}]}`);
}

/** Reads a frame of an agent. @throws GatewayError `frame-too-large`, `frame-malformed` or `frame-unknown` */
export function decodeEdgeFrame(text: string): EdgeFrame {
  return decode(text, edgeFrameSchema);
}

/** Reads a frame of the cloud. @throws GatewayError `frame-too-large`, `frame-malformed` or `frame-unknown` */
export function decodeCloudFrame(text: string): CloudFrame {
  return decode(text, cloudFrameSchema);
}

const typed = z.object({ type: z.string() });

function decode<Frame>(text: string, schema: z.ZodType<Frame>): Frame {
  if (text.length > limits.frameChars) {
    throw new GatewayError('frame-too-large', `A frame of ${text.length} characters is over ${limits.frameChars}.`);
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('frame-malformed', 'The frame is not JSON.', { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (
    issue?.code === 'invalid_union' &&
    issue.path.length === 1 &&
    issue.path[0] === 'type' &&
    typed.safeParse(value).success
  ) {
    throw new GatewayError('frame-unknown', `No frame is called “${typed.parse(value).type.slice(0, 40)}”.`);
  }
  throw new GatewayError('frame-malformed', `The frame is not valid: ${issue?.path.join('.')}: ${issue?.message}`);
}
