// The rights of API tokens in plain words; a test compares them with cloud/access/scopes.ts.

/** The rights in plain words. */
export const grants = [
  { scope: 'homes:read', words: 'See the home and whether it is online' },
  { scope: 'phones:read', words: 'See the phones' },
  { scope: 'phones:approve', words: 'Approve and revoke phones' },
  { scope: 'messages:read', words: 'Read messages' },
  { scope: 'messages:update', words: 'Mark messages read, and retry what was refused' },
  { scope: 'messages:send', words: 'Send messages' },
  { scope: 'messages:delete', words: 'Delete messages' },
  { scope: 'sessions:read', words: 'See sessions' },
  { scope: 'sessions:write', words: 'Begin, join and close sessions' },
  { scope: 'files:read', words: 'See file transfers' },
  { scope: 'files:write', words: 'Begin and cancel file transfers' },
  { scope: 'events:read', words: 'Follow live events' },
  { scope: 'actions:call', words: 'Call any action of a phone' },
  { scope: 'agents:manage', words: 'Manage agents' },
  { scope: 'tokens:manage', words: 'Manage tokens' },
  { scope: 'homes:manage', words: 'Change the home’s settings' },
] as const;

/** The default: what a program needs to read and write messages. */
export const usualScopes: readonly string[] = ['homes:read', 'phones:read', 'messages:read', 'messages:send'];
