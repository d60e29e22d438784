// The query for a page of messages. The index is named, not guessed: of the fields that are asked for, the one that
// leaves the fewest messages leads, so that a page costs the same however many there are.

import type { MessageFilter } from '../message-store.ts';
import { searchWords } from '../rules/search-text.ts';

type Field = Exclude<keyof MessageFilter, 'text' | 'onPhone'>;

interface Lead {
  field: Field;
  column: string;
  index: string;
}

/** The most telling first. */
const leads: readonly Lead[] = [
  { field: 'conversation', column: 'conversation', index: 'messages_by_conversation' },
  { field: 'session', column: 'session', index: 'messages_by_session' },
  { field: 'from', column: 'sender', index: 'messages_by_sender' },
  { field: 'status', column: 'status', index: 'messages_by_status' },
  { field: 'messageClass', column: 'message_class', index: 'messages_by_class' },
  { field: 'phone', column: 'phone', index: 'messages_by_phone' },
  { field: 'folder', column: 'folder', index: 'messages_by_folder' },
];
/** Nearly all messages are read in the end, so that this says the least. */
const read = 'Read';
/** Letters of a word that are looked up in the index. */
const longestIndexed = 24;

/** SQL and its values; position and count are to be added as the last two. */
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
  // Literals, by which SQLite knows that the partial index holds them all.
  if (filter.onPhone !== undefined) conditions.push(`AND on_phone = ${filter.onPhone ? 1 : 0}`);
  const whole = filter.onPhone === false ? 'messages_off_phone' : 'messages_by_id';
  const index = indexed.length > 0 && lead === undefined ? '' : `INDEXED BY ${lead?.index ?? whole}`;
  const sql = `SELECT id, record FROM messages ${index} WHERE home = ? ${conditions.join(' ')} AND id < ? ORDER BY id DESC LIMIT ?`;
  return { sql, values };
}

/**
 * What of a word the index of three-letter pieces is asked for: nothing of a shorter word, and of a longer one only its
 * beginning, since each piece is held in memory with all its places. The texts themselves are asked for the rest.
 */
function indexedPart(word: string): string | undefined {
  const letters = [...word];
  return letters.length < 3 ? undefined : letters.slice(0, longestIndexed).join('');
}
