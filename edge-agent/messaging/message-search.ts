// Lists all messages of a phone, also on devices that do not know the wildcards.
import { ANY, messageClasses, messageFolders, messageStatuses } from '../../protocol/actions.ts';
import { isPassingRefusal } from '../../protocol/errors.ts';
import { UpnpError } from '../upnp/error.ts';
import type { CallOptions, MessageSearch, PhoneCalls } from './control-point.ts';
import { DocumentError } from './document-tree.ts';
import { listLimits } from './list-reading.ts';
import type { ListRead, TakeMessages } from './message-list.ts';
import { fullSearch } from './pending-sync.ts';

const folderSearches: readonly MessageSearch[] = messageFolders.map((MessageFolder) => ({
  ...fullSearch,
  MessageFolder,
}));
const exactSearches: readonly MessageSearch[] = messageClasses.flatMap((MessageClass) =>
  messageFolders.flatMap((MessageFolder) =>
    messageStatuses.map((MessageStatus) => ({ MessageClass, MessageFolder, MessageStatus, SessionID: '' })),
  ),
);

/** From the shortest to the longest; if a phone refuses one, the next is tried. */
const strategies: readonly (readonly MessageSearch[])[] = [
  [fullSearch],
  [{ ...fullSearch, SessionID: ANY }],
  folderSearches,
  exactSearches,
];

/** Lists all messages of one phone, and remembers which kind of search it understands. */
export class FullSearch {
  #strategy = 0;

  /**
   * A message may be emitted twice: when one kind of search breaks off, the next starts over.
   * @throws what the last kind threw when the phone answers none
   */
  async list(calls: PhoneCalls, options: CallOptions, take: TakeMessages): Promise<ListRead> {
    for (let strategy = this.#strategy; ; strategy++) {
      try {
        const list = await this.#listWith(strategies[strategy] ?? exactSearches, calls, options, take);
        // A list that is cut at some length may be complete in parts.
        if (list.isComplete || list.isTooLong === true || strategy >= strategies.length - 1) return list;
      } catch (error) {
        if (strategy >= strategies.length - 1 || !(isRefusedValue(error) || isUnreadable(error))) throw error;
        // A list too long for us or the phone's memory may work tomorrow; an unknown wildcard stays unknown.
        if (isRefusedValue(error) && !isPassingRefusal(error)) this.#strategy = strategy + 1;
      }
    }
  }

  async #listWith(
    searches: readonly MessageSearch[],
    calls: PhoneCalls,
    options: CallOptions,
    take: TakeMessages,
  ): Promise<ListRead> {
    let isComplete = true;
    let count = 0;
    let refused = 0;
    for (const search of searches) {
      // The cap is for the whole phone, also when it is listed in parts.
      if (count >= listLimits.messages) return { isComplete: false, count, isTooLong: true };
      try {
        const list = await calls.searchMessages(search, options, take);
        if (list.isTooLong === true) return { ...list, count: count + list.count };
        isComplete &&= list.isComplete;
        count += list.count;
      } catch (error) {
        // A class or folder that the phone lacks holds no message; but the phone must accept at least one.
        if (!isRefusedValue(error) || isPassingRefusal(error) || ++refused === searches.length) throw error;
      }
    }
    return { isComplete, count, ...(refused > 0 && { isPartlyRefused: true }) };
  }
}

/** The XML length of the messages, in UTF-16 units. */
export function charsOf(entries: readonly { readonly xml: string }[]): number {
  return entries.reduce((sum, { xml }) => sum + xml.length, 0);
}

/** 402, 6xx and 7xx codes for an unknown argument value; 501 is a failure instead. */
function isRefusedValue(error: unknown): error is UpnpError {
  if (!(error instanceof UpnpError) || error.kind !== 'refused' || error.upnpCode === undefined) return false;
  return error.upnpCode === 402 || (error.upnpCode >= 600 && error.upnpCode < 800);
}

function isUnreadable(error: unknown): boolean {
  return error instanceof DocumentError || (error instanceof UpnpError && error.kind === 'malformed');
}
