// What a write makes of a stored session.
import { isDeepStrictEqual } from 'node:util';
import type { Session } from '../../../protocol/model.ts';
import type { WriteOf } from '../store.ts';
import type { Change } from './change.ts';
import { onOneLine } from './party.ts';

/** A session as a phone shows it, unless it is older news than what is stored. */
export function putSession(
  current: Session | undefined,
  write: WriteOf<'session.put'>,
  home: string,
  nowMs: number,
): Change<Session> | undefined {
  const { session } = write;
  if (current !== undefined && session.updatedAt !== undefined && session.updatedAt < current.updatedAt) {
    return undefined;
  }
  const next: Session = {
    id: write.id,
    sessionId: session.sessionId,
    home,
    phone: write.phone,
    sessionClass: session.sessionClass,
    status: session.status,
    subject: session.subject ?? null,
    contentTypes: session.contentTypes,
    initiator: session.initiator === undefined ? null : onOneLine(session.initiator),
    recipients: session.recipients.map(onOneLine),
    startedAt: session.startedAt ?? current?.startedAt ?? null,
    updatedAt: session.updatedAt ?? current?.updatedAt ?? '',
  };
  if (isDeepStrictEqual(current, next)) return undefined;
  // A phone that keeps no time of its changes: the change was made when it was seen.
  if (session.updatedAt === undefined) next.updatedAt = new Date(nowMs).toISOString();
  return { next, event: { type: 'session.updated', data: next } };
}
