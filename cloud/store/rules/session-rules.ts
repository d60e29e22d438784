// Applies a write to a stored session.
import { isDeepStrictEqual } from 'node:util';
import type { Session } from '../../../protocol/model.ts';
import type { WriteOf } from '../store.ts';
import type { Change } from './change.ts';
import { onOneLine } from './party.ts';

/** Stores a session that a phone reports, unless the report is older than the stored one. */
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
  // For a phone that reports no time of changes, the time of the report counts.
  if (session.updatedAt === undefined) next.updatedAt = new Date(nowMs).toISOString();
  return { next, event: { type: 'session.updated', data: next } };
}
