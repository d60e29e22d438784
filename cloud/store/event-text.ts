// The JSON text of a home's event: serialised once, for the store and for every watcher.
import type { HomeEvent } from '../../protocol/model.ts';

/** An event of a home, or a notice that a stream sends between events. */
type StreamedEvent = Pick<HomeEvent, 'id'> & { readonly type: string };

/** Weak: a text lives as long as its event, at most until the slowest watcher has read it. */
const texts = new WeakMap<StreamedEvent, string>();

/** Caches the text: the event must not change afterwards. */
export function textOfEvent(event: StreamedEvent): string {
  let text = texts.get(event);
  if (text === undefined) {
    text = JSON.stringify(event);
    texts.set(event, text);
  }
  return text;
}

/** Parses a text that `textOfEvent` wrote, and caches it so that the event is not serialised again. */
export function eventOfText<Event extends StreamedEvent = HomeEvent>(text: string): Event {
  const event = JSON.parse(text) as Event;
  texts.set(event, text);
  return event;
}
