// The change that a write makes, and its event.
import type { HomeEvent } from '../../../protocol/model.ts';

type Unnumbered<Event> = Event extends HomeEvent ? Omit<Event, 'id' | 'home' | 'time'> : never;
/** An event without its id and time. */
export type EventBody = Unnumbered<HomeEvent>;

/** The new record and its event. Rules return undefined in place of a change where nothing changes. */
export interface Change<Item> {
  next: Item;
  event?: EventBody;
}
