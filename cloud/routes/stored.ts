// Loads the object that a path names, or throws `not-found`.
import { GatewayError } from '../../protocol/errors.ts';
import type { Session } from '../../protocol/model.ts';
import type { MessageRecord } from '../store/message-store.ts';
import type { Store } from '../store/store.ts';

/** Throws `not-found`. */
export async function needMessage(store: Store, home: string, id: string): Promise<MessageRecord> {
  const record = await store.messages.get(home, id);
  if (record === undefined) throw new GatewayError('not-found', 'This home has no such message.');
  return record;
}

/** Throws `not-found`. */
export async function needSession(store: Store, home: string, id: string): Promise<Session> {
  const session = await store.sessions.get(home, id);
  if (session === undefined) throw new GatewayError('not-found', 'This home has no such session.');
  return session;
}
