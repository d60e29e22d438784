// A registry of handlers by frame type: a type without a handler does not compile.
import type { FrameOf } from './frames.ts';

/** One handler for each type of a union of frames. It may return a promise, whose rejection counts like an exception. */
export type FrameHandlers<Frame extends { type: string }, Context extends unknown[] = []> = {
  readonly [Type in Frame['type']]: (frame: FrameOf<Frame, Type>, ...context: Context) => unknown;
};

/** Hands a frame to the handler of its type. Throws, or rejects, as the handler does. */
export function handleFrame<Frame extends { type: string }, Context extends unknown[] = []>(
  handlers: FrameHandlers<Frame, Context>,
  frame: Frame,
  ...context: Context
): unknown {
  const type: Frame['type'] = frame.type;
  return handlers[type](frame as FrameOf<Frame, typeof type>, ...context);
}
