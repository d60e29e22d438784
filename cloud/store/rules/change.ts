// A change that a write makes, and the event that tells of it.
import type { HomeEvent } from '../../../protocol/model.ts';

type Unnumbered<Event> = Event extends HomeEvent ? Omit<Event, 'id' | 'home' | 'time'> : never;
/** An event that has not been given its number and time. */
export type EventBody = Unnumbered<HomeEvent>;

/** What is stored from now on. Undefined in place of a change means that everything stays as it is. */
export interface Change<Item> {
  next: Item;
  event?: EventBody;
}
