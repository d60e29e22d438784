// Icons: strokes on a 24 by 24 grid, always next to text or with a label.

const strokes = {
  messages:
    'M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H10l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5z',
  sessions:
    'M8.5 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM3 19c.4-3 2.6-4.7 5.5-4.7S13.6 16 14 19M15.5 5.4a3 3 0 0 1 0 5.2M17.5 14.7c2 .6 3.2 2.1 3.5 4.3',
  home: 'M4 11.5 12 5l8 6.5M6 10v8a1.5 1.5 0 0 0 1.5 1.5h9A1.5 1.5 0 0 0 18 18v-8M10 19.5V14h4v5.5',
  compose: 'M5 19h14M7 15l-.5-3L15 3.5l3 3-8.5 8.5z',
  back: 'M14.5 5.5 8 12l6.5 6.5',
  send: 'M12 19V6M6.5 11 12 5.5 17.5 11',
  trash: 'M5 7h14M10 7V5h4v2M7 7l.8 12h8.4L17 7M10.5 10.5v5M13.5 10.5v5',
  way: 'M6 8.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM18 19.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM8 6.5h6.5a3 3 0 0 1 0 6h-5a3 3 0 0 0 0 5H16',
  check: 'm5.5 12.5 4 4 9-9.5',
  clock: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4.5l3 1.5',
  alert: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v5M12 15.8v.2',
  question: 'M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM9.8 10a2.2 2.2 0 1 1 3.2 2c-.7.4-1 .8-1 1.5M12 15.8v.2',
  leave: 'M10 5H6.5A1.5 1.5 0 0 0 5 6.5v11A1.5 1.5 0 0 0 6.5 19H10M15 8l4 4-4 4M19 12H9.5',
  search: 'M10.5 16.5a6 6 0 1 0 0-12 6 6 0 0 0 0 12zM15 15l4.5 4.5',
  keyboard:
    'M4.5 7h15A1.5 1.5 0 0 1 21 8.5v7a1.5 1.5 0 0 1-1.5 1.5h-15A1.5 1.5 0 0 1 3 15.5v-7A1.5 1.5 0 0 1 4.5 7zM7 10.5h.1M10.3 10.5h.1M13.6 10.5h.1M17 10.5h.1M8 13.8h8',
  close: 'm6.5 6.5 11 11M17.5 6.5l-11 11',
  clip: 'm18 11.5-6.2 6.2a3.9 3.9 0 0 1-5.5-5.5l6.8-6.8a2.6 2.6 0 0 1 3.7 3.7l-6.7 6.7a1.3 1.3 0 0 1-1.9-1.9l6.1-6.1',
  down: 'm6.5 9.5 5.5 5.5 5.5-5.5',
} as const;

export type IconName = keyof typeof strokes;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={strokes[name]} />
    </svg>
  );
}
