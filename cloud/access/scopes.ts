// The scopes of tokens. Append-only: stored tokens hold these words.

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
  /** Any of the 18 actions: equals all scopes of messages, sessions and files. */
  'actions:call',
  'events:read',
  'agents:manage',
  'tokens:manage',
  'webhooks:manage',
  'homes:manage',
  /** Changes without new content: marking read, and retrying dead letters. */
  'messages:update',
] as const;
export type Scope = (typeof scopes)[number];

/** Scopes for new tokens: there are no webhooks yet, but stored tokens may hold their scope. */
export const offeredScopes = scopes.filter((scope) => scope !== 'webhooks:manage');

/** Stored in a token instead of a list: every scope, including those of later versions. */
export const everyScope = '*';

export function isOffered(word: string): boolean {
  return (offeredScopes as readonly string[]).includes(word);
}
