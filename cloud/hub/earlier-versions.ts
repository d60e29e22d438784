// What released agents and stored attachments say in another way than by `features` (docs/decisions/0015-frames-and-features.md).
import type { EdgeFrame, FrameOf } from '../../protocol/frames.ts';
import type { SocketAttachment } from './link.ts';

/** An attachment as versions before `features` wrote it. */
interface EarlierAttachment {
  readonly pings?: true;
  readonly deadLetters?: number;
}

export function readAttachment(attachment: SocketAttachment & EarlierAttachment): SocketAttachment {
  const { pings, deadLetters, ...current } = attachment;
  if (current.features !== undefined || (pings === undefined && deadLetters === undefined)) return current;
  const features = [
    ...(pings === true ? (['ping'] as const) : []),
    ...(deadLetters === undefined ? [] : (['dead-letters'] as const)),
  ];
  return { ...current, features, ...(deadLetters !== undefined && { counts: { deadLetters } }) };
}

/** Agents before `features` said by the mere count in `phones` that they know the frame `dead-letters`. */
export function knowsDeadLetters(phones: FrameOf<EdgeFrame, 'phones'>): boolean {
  return phones.deadLetters !== undefined;
}
