// The whole list of a phone's messages, also from devices that do not know the wildcards.
import { ANY, messageClasses, messageFolders, messageStatuses } from '../../protocol/actions.ts';
import { isPassingRefusal } from '../../protocol/errors.ts';
import { UpnpError } from '../upnp/error.ts';
import type { CallOptions, MessageSearch, PhoneCalls } from './control-point.ts';
import { DocumentError } from './document-tree.ts';
import { listLimits } from './list-reading.ts';
import type { ListRead, TakeMessages } from './message-list.ts';
import { wholeSearch } from './pending-sync.ts';

const folderSearches: readonly MessageSearch[] = messageFolders.map((MessageFolder) => ({
  ...wholeSearch,
  MessageFolder,
}));
const exactSearches: readonly MessageSearch[] = messageClasses.flatMap((MessageClass) =>
  messageFolders.flatMap((MessageFolder) =>
    messageStatuses.map((MessageStatus) => ({ MessageClass, MessageFolder, MessageStatus, SessionID: '' })),
  ),
);

/** From the shortest way to the longest; a phone that refuses one is asked the next. */
const ways: readonly (readonly MessageSearch[])[] = [
  [wholeSearch],
  [{ ...wholeSearch, SessionID: ANY }],
  folderSearches,
  exactSearches,
];

/** Lists all messages of one phone, and remembers which way of asking it understands. */
export class WholeSearch {
  #way = 0;

  /**
   * A message may be taken twice: where one way breaks off, the next begins from the start.
   * @throws what the last way threw when the phone answers none of them
   */
  async list(calls: PhoneCalls, options: CallOptions, take: TakeMessages): Promise<ListRead> {
    for (let way = this.#way; ; way++) {
      try {
        const list = await this.#listBy(ways[way] ?? exactSearches, calls, options, take);
        // Cut at some length, the list may come whole in parts.
        if (list.isComplete || list.isTooLong === true || way >= ways.length - 1) return list;
      } catch (error) {
        if (way >= ways.length - 1 || !(isRefusedValue(error) || isUnreadable(error))) throw error;
        // A list too long now, for us or for the phone's memory, may be read tomorrow; a wildcard that is not known stays so.
        if (isRefusedValue(error) && !isPassingRefusal(error)) this.#way = way + 1;
      }
    }
  }

  async #listBy(
    searches: readonly MessageSearch[],
    calls: PhoneCalls,
    options: CallOptions,
    take: TakeMessages,
  ): Promise<ListRead> {
    let isComplete = true;
    let count = 0;
    let refused = 0;
    for (const search of searches) {
      // Asked piece by piece, a phone has no more than in one piece.
      if (count >= listLimits.messages) return { isComplete: false, count, isTooLong: true };
      try {
        const list = await calls.searchMessages(search, options, take);
        if (list.isTooLong === true) return { ...list, count: count + list.count };
        isComplete &&= list.isComplete;
        count += list.count;
      } catch (error) {
        // A class or folder that the phone does not have is no message; but one of them it must have.
        if (!isRefusedValue(error) || isPassingRefusal(error) || ++refused === searches.length) throw error;
      }
    }
    return { isComplete, count, ...(refused > 0 && { isPartlyRefused: true }) };
  }
}

/** Of the XML of messages, in UTF-16 units. */
export function charsOf(entries: readonly { readonly xml: string }[]): number {
  return entries.reduce((sum, { xml }) => sum + xml.length, 0);
}

/** 402, the 6xx codes and 7xx codes of an argument it does not know; a failure (501) is another matter. */
function isRefusedValue(error: unknown): error is UpnpError {
  if (!(error instanceof UpnpError) || error.kind !== 'refused' || error.upnpCode === undefined) return false;
  return error.upnpCode === 402 || (error.upnpCode >= 600 && error.upnpCode < 800);
}

function isUnreadable(error: unknown): boolean {
  return error instanceof DocumentError || (error instanceof UpnpError && error.kind === 'malformed');
}
