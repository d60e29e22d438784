// Stored conversations: the messages of one session, or of the same people.
import type { Conversation } from '../../protocol/model.ts';
import type { Page, PageRequest } from './page.ts';

export interface ConversationStore {
  /** Ordered by last message, newest first. */
  list(home: string, page: PageRequest): Promise<Page<Conversation>>;
  /** The number of unread messages in the whole home. */
  countUnread(home: string): Promise<number>;
}
