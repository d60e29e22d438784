// Stored sessions: chats and media calls that a phone holds open.
import type { Session } from '../../protocol/model.ts';
import type { Page, PageRequest } from './page.ts';

export interface SessionFilter {
  sessionClass?: string | undefined;
  status?: string | undefined;
  phone?: string | undefined;
}

export interface SessionStore {
  get(home: string, id: string): Promise<Session | undefined>;
  list(home: string, filter: SessionFilter, page: PageRequest): Promise<Page<Session>>;
}
