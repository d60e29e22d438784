// From an event of the agent to a write of the store; or why it can never be one.
import type { ErrorCodeName } from '../../protocol/errors.ts';
import { type EdgeEvent, edgeEventSchema, type SequencedEvent } from '../../protocol/frames.ts';
import type { Write } from '../store/store.ts';
import type { Roster } from './roster.ts';

export interface StoredEvent {
  seq: number;
  write: Write;
}

/** The agent keeps such an event aside and goes on. */
export interface Refusal {
  seq: number;
  code: ErrorCodeName;
  reason: string;
}

/** Each event is checked by itself: a bad one costs only itself. */
export function judge({ seq, event }: SequencedEvent, roster: Roster): StoredEvent | Refusal {
  const parsed = edgeEventSchema.safeParse(event);
  if (!parsed.success) {
    const at = parsed.error.issues[0]?.path.join('.') ?? '';
    return { seq, code: 'frame-malformed', reason: `The event is not valid at “${at.slice(0, 200)}”.` };
  }
  const phone = roster.byUdn(parsed.data.udn);
  if (phone?.approved !== true) {
    return { seq, code: 'phone-not-approved', reason: 'The household has not approved this phone.' };
  }
  return { seq, write: writeOf(parsed.data, phone.id) };
}

function writeOf(event: EdgeEvent, phone: string): Write {
  switch (event.type) {
    case 'message.put': {
      const { type, id, epoch, message, fingerprint, recovered } = event;
      return { type, id, phone, epoch, session: event.sessionKey ?? null, message, fingerprint, recovered };
    }
    case 'message.deleted':
      return { type: 'message.delete', id: event.id };
    case 'session.put':
      return { type: event.type, id: event.id, phone, session: event.session };
    case 'file.progress':
      return { type: event.type, phone, file: event.file };
  }
}
