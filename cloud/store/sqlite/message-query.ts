// The query for a page of messages. It names the index instead of leaving the choice to SQLite: the most selective
// field of the filter leads, so that the cost of a page does not grow with the number of messages.

import type { MessageFilter } from '../message-store.ts';
import { searchWords } from '../rules/search-text.ts';

type Field = Exclude<keyof MessageFilter, 'text' | 'onPhone'>;

interface Lead {
  field: Field;
  column: string;
  index: string;
}

/** The most selective first. */
const leads: readonly Lead[] = [
  { field: 'conversation', column: 'conversation', index: 'messages_by_conversation' },
  { field: 'session', column: 'session', index: 'messages_by_session' },
  { field: 'from', column: 'sender', index: 'messages_by_sender' },
  { field: 'status', column: 'status', index: 'messages_by_status' },
  { field: 'messageClass', column: 'message_class', index: 'messages_by_class' },
  { field: 'phone', column: 'phone', index: 'messages_by_phone' },
  { field: 'folder', column: 'folder', index: 'messages_by_folder' },
];
/** Nearly all messages are read in the end, so this status is the least selective. */
const read = 'Read';
/** Letters of a word that the index is queried for. */
const longestIndexed = 24;

/** SQL and its values; the caller appends position and count. */
export function messageQuery(home: string, filter: MessageFilter): { sql: string; values: string[] } {
  const asked = leads
    .map((lead) => ({ ...lead, value: filter[lead.field] }))
    .filter((lead): lead is Lead & { value: string } => lead.value !== undefined);
  const lead = asked.find((each) => each.value !== read) ?? asked[0];
  const words = searchWords(filter.text ?? '');
  const indexed = words.map(indexedPart).filter((part) => part !== undefined);
  const unindexed = words.filter((word) => !indexed.includes(word));

  const conditions = asked.map(({ column }) => `AND ${column} = ?`);
  const values = [home, ...asked.map((each) => each.value)];
  if (indexed.length > 0) {
    conditions.push('AND row IN (SELECT rowid FROM messages_text WHERE messages_text MATCH ?)');
    values.push(indexed.map((part) => `"${part.replaceAll('"', '""')}"`).join(' '));
  }
  if (unindexed.length > 0) {
    conditions.push('AND NOT EXISTS (SELECT 1 FROM json_each(?) WHERE instr(text, value) = 0)');
    values.push(JSON.stringify(unindexed));
  }
  // Literals, so that SQLite can prove that the partial index covers the query.
  if (filter.onPhone !== undefined) conditions.push(`AND on_phone = ${filter.onPhone ? 1 : 0}`);
  const whole = filter.onPhone === false ? 'messages_off_phone' : 'messages_by_id';
  const index = indexed.length > 0 && lead === undefined ? '' : `INDEXED BY ${lead?.index ?? whole}`;
  const sql = `SELECT id, record FROM messages ${index} WHERE home = ? ${conditions.join(' ')} AND id < ? ORDER BY id DESC LIMIT ?`;
  return { sql, values };
}

/**
 * The part of a word that the trigram index is queried for: nothing of a word below three letters, and only the
 * beginning of a long one, because FTS5 holds all positions of each trigram in memory. The texts are compared with the
 * whole word.
 */
function indexedPart(word: string): string | undefined {
  const letters = [...word];
  return letters.length < 3 ? undefined : letters.slice(0, longestIndexed).join('');
}
