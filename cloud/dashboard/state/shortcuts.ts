// Keyboard shortcuts; disabled while the user types or a dialog is open.

export const shortcuts = [
  { keys: ['j', 'ArrowDown'], shown: 'j or ↓', does: 'next', words: 'Next conversation' },
  { keys: ['k', 'ArrowUp'], shown: 'k or ↑', does: 'previous', words: 'Previous conversation' },
  { keys: ['/'], shown: '/', does: 'search', words: 'Search' },
  { keys: ['c'], shown: 'c', does: 'compose', words: 'Write a new message' },
  { keys: ['Escape'], shown: 'Esc', does: 'back', words: 'Back' },
  { keys: ['?'], shown: '?', does: 'help', words: 'These keys' },
] as const;

export type ShortcutName = (typeof shortcuts)[number]['does'];

export class Shortcuts {
  readonly #does: Readonly<Record<ShortcutName, () => void>>;
  readonly #onKey = (event: KeyboardEvent) => this.#follow(event);

  constructor(does: Readonly<Record<ShortcutName, () => void>>) {
    this.#does = does;
  }

  start(): void {
    addEventListener('keydown', this.#onKey);
  }

  stop(): void {
    removeEventListener('keydown', this.#onKey);
  }

  #follow(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (document.querySelector('dialog[open]') !== null) return;
    const shortcut = shortcuts.find((entry) => (entry.keys as readonly string[]).includes(event.key));
    if (shortcut === undefined) return;
    const place = event.target instanceof HTMLElement ? event.target : document.body;
    if (place.matches('input, textarea, select, [contenteditable]')) {
      // The first Escape leaves the field, the second one the page.
      if (event.key === 'Escape') place.blur();
      return;
    }
    // Arrow keys scroll, unless the list or nothing has the focus.
    if (event.key.startsWith('Arrow') && place !== document.body && place.closest('.list') === null) return;
    event.preventDefault();
    this.#does[shortcut.does]();
  }
}
