// What a token may be allowed to do. Append-only: tokens keep these words for as long as they live.

export const scopes = [
  'homes:read',
  'phones:read',
  'phones:approve',
  'messages:read',
  'messages:send',
  'messages:delete',
  'sessions:read',
  'sessions:write',
  'files:read',
  'files:write',
  /** Any of the 18 actions, argument for argument: as much as all scopes of messages, sessions and files. */
  'actions:call',
  'events:read',
  'agents:manage',
  'tokens:manage',
  'webhooks:manage',
  'homes:manage',
  /** What changes at a phone or in the store by looking: marking read, and sending on what was refused. */
  'messages:update',
] as const;
export type Scope = (typeof scopes)[number];

/** What a new token can be given: there are no webhooks yet. Older tokens may hold the word. */
export const offeredScopes = scopes.filter((scope) => scope !== 'webhooks:manage');

/** Kept in a token in place of a list: every scope there is, those of later versions too. */
export const everyScope = '*';

export function isOffered(word: string): boolean {
  return (offeredScopes as readonly string[]).includes(word);
}
