// The JSON text of a home's event: written once, for the store and for every watcher.
import type { HomeEvent } from '../../protocol/model.ts';

/** What follows a home's events: the events, and what a stream says between them. */
type StreamedEvent = Pick<HomeEvent, 'id'> & { readonly type: string };

/** Texts live as long as their events, which wait for the slowest watcher at most. */
const texts = new WeakMap<StreamedEvent, string>();

/** The event must not change any more. */
export function textOfEvent(event: StreamedEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = JSON.stringify(event);
    texts.set(event, text);
  }
  return text;
}

/** An event of a text that `textOfEvent` wrote; its text is not written a second time. */
export function eventOfText<Event extends StreamedEvent = HomeEvent>(text: string): Event {
  const event = JSON.parse(text) as Event;
  texts.set(event, text);
  return event;
}
