// What released agents and stored attachments say in another way than by `features` (docs/decisions/0015-frames-and-features.md).
import type { TunnelFeature } from '../../protocol/features.ts';
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

/** Agents of 0.1.0 say by the mere count in `phones` that they know the frame `dead-letters`. */
export function impliedFeatures(phones: FrameOf<EdgeFrame, 'phones'>): TunnelFeature[] {
  return phones.deadLetters === undefined ? [] : ['dead-letters'];
}
