// Conversations as the store keeps them: the messages of one session, or of the same people.
import type { Conversation } from '../../protocol/model.ts';
import type { Page, PageRequest } from './page.ts';

export interface ConversationStore {
  /** By their last message, newest first. */
  list(home: string, page: PageRequest): Promise<Page<Conversation>>;
  /** The unread messages of the whole home. */
  countUnread(home: string): Promise<number>;
}
