import { expect, it, vi } from 'vitest';
import { eventOfText, textOfEvent } from '../../../cloud/store/event-text.ts';
import type { HomeEvent } from '../../../protocol/model.ts';

const event: HomeEvent = {
  id: '01KAPQ3Z5N0123456789ABCDEF',
  home: 'home',
  time: '2026-11-22T19:30:00.000Z',
  type: 'message.deleted',
  data: { id: 'm_01KAPQ3Z5N0123456789ABCDEF' },
};

it('writes the text of an event once, however many watchers follow', () => {
  const stringify = vi.spyOn(JSON, 'stringify');
  const texts = [textOfEvent(event), textOfEvent(event), textOfEvent(event)];
  expect(stringify).toHaveBeenCalledTimes(1);
  stringify.mockRestore();
  expect(new Set(texts).size).toBe(1);
  expect(JSON.parse(texts[0] ?? '')).toEqual(event);
});

it('keeps the text of which an event was read', () => {
  const text = ` ${JSON.stringify(event)}`;
  const read = eventOfText(text);
  expect(read).toEqual(event);
  expect(textOfEvent(read)).toBe(text);
});
