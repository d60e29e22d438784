// A snapshot of a whole home, to compare two stores, or a store before and after a failure.
import type { Store, Write } from '../../../cloud/store/store.ts';
import { presence, sessionId } from '../../contract/messages.ts';

/** Returns the phone's id. */
export async function furnish(store: Store, of: string): Promise<string> {
  await store.start();
  await store.homes.create({ id: of, account: 'account', name: 'Home', owner: 'Ada' });
  return (await store.phones.put(of, [presence('uuid:1')]))[0]?.id ?? '';
}

export function homed(writes: readonly Write[], there: string): Write[] {
  return writes.map((write) =>
    write.type === 'send.create' ? { ...write, message: { ...write.message, home: there } } : write,
  );
}

/** All readable state, without the home's name and the ids that each store generates. */
export async function everything(store: Store, of: string) {
  const phones = await store.phones.list(of);
  const answer = {
    messages: (await store.messages.list(of, {}, { limit: 200 })).items,
    unread: (await store.messages.list(of, { status: 'Unread' }, { limit: 200 })).items.map(({ id }) => id),
    received: (await store.messages.list(of, { folder: 'Received' }, { limit: 200 })).items.map(({ id }) => id),
    session: (await store.messages.list(of, { session: sessionId(1) }, { limit: 200 })).items.map(({ id }) => id),
    conversations: (await store.conversations.list(of, { limit: 200 })).items,
    counted: await store.conversations.countUnread(of),
    open: await store.messages.openSends(of, ['queued', 'sending'], 10),
    inventory: await store.messages.inventory(of, phones[0]?.id ?? '', { limit: 10 }),
    events: (await store.events.after(of, '', 1000))?.map(({ type, data }) => ({ type, data })),
  };
  const text = JSON.stringify(answer).replaceAll(phones[0]?.id ?? '-', 'p_1');
  return JSON.parse(text.replaceAll(`"home":${JSON.stringify(of)}`, '"home":"home"')) as unknown;
}
