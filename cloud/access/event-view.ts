// What an event shows to which token: content needs its scope; without it the event has ids only.
import type { HomeEvent } from '../../protocol/model.ts';
import type { Scope } from './scopes.ts';

type DataOf<Type extends HomeEvent['type']> = Extract<HomeEvent, { type: Type }>['data'];

/** An event whose content may be reduced to ids. */
export type ShownEvent = Omit<HomeEvent, 'data'> & { data: object };

/** For each event type: the scope that its content needs, and the data shown without it. */
const views: {
  readonly [Type in HomeEvent['type']]: {
    readonly scope: Scope | undefined;
    readonly ids: (data: DataOf<Type>) => object;
  };
} = {
  'message.received': { scope: 'messages:read', ids: ({ id }) => ({ id }) },
  'message.updated': { scope: 'messages:read', ids: ({ id }) => ({ id }) },
  'message.deleted': { scope: undefined, ids: ({ id }) => ({ id }) },
  'send.updated': { scope: 'messages:read', ids: ({ id }) => ({ id }) },
  'session.updated': { scope: 'sessions:read', ids: ({ id }) => ({ id }) },
  'file.progress': { scope: 'files:read', ids: ({ fileId, phone }) => ({ fileId, phone }) },
  'phone.online': { scope: 'phones:read', ids: ({ id }) => ({ id }) },
  'phone.offline': { scope: 'phones:read', ids: ({ id }) => ({ id }) },
  'home.online': { scope: 'homes:read', ids: ({ home }) => ({ home }) },
  'home.offline': { scope: 'homes:read', ids: ({ home }) => ({ home }) },
  'home.updated': { scope: undefined, ids: ({ home }) => ({ home }) },
};

/** The event as shown to a token; `may` tells whether the token has a scope. */
export function viewOf<Event extends HomeEvent>(event: Event, may: (scope: Scope) => boolean): ShownEvent {
  const { scope, ids } = views[event.type] as { scope: Scope | undefined; ids: (data: object) => object };
  return scope === undefined || may(scope) ? event : { ...event, data: ids(event.data) };
}
