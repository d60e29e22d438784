// The current view as the URL fragment, so that back, forward, bookmarks and reload work.
import { signal } from '@preact/signals';

export type Route =
  | { page: 'messages'; conversation?: string; message?: string }
  | { page: 'compose' }
  | { page: 'sessions'; session?: string }
  | { page: 'new-session' }
  | { page: 'home' };

/** Parses the fragment; anything unknown is the list of messages. */
export function parseRoute(hash: string): Route {
  const [page, first, second] = hash
    .replace(/^#?\/?/u, '')
    .split('/')
    .map(decode);
  switch (page) {
    case 'messages':
      return {
        page,
        // The empty key is the conversation with withheld numbers.
        ...(first === undefined ? {} : { conversation: first }),
        ...(second ? { message: second } : {}),
      };
    case 'sessions':
      return { page, ...(first ? { session: first } : {}) };
    case 'compose':
    case 'new-session':
    case 'home':
      return { page };
    default:
      return { page: 'messages' };
  }
}

/** The inverse of `parseRoute`, with the `#`. */
export function formatRoute(route: Route): string {
  const parts =
    route.page === 'messages'
      ? [route.conversation, route.conversation === undefined ? undefined : route.message]
      : route.page === 'sessions'
        ? [route.session]
        : [];
  return `#/${[route.page, ...parts.filter((part) => part !== undefined).map(encodeURIComponent)].join('/')}`;
}

/** The parent view, for the page's back button; undefined at the top. */
export function parentOf(route: Route): Route | undefined {
  switch (route.page) {
    case 'compose':
      return { page: 'messages' };
    case 'new-session':
      return { page: 'sessions' };
    case 'messages':
      return route.conversation === undefined ? undefined : { page: 'messages' };
    case 'sessions':
      return route.session === undefined ? undefined : { page: 'sessions' };
    case 'home':
      return undefined;
  }
}

/** Follows the page's address. */
export class Router {
  readonly current = signal<Route>({ page: 'messages' });
  #previous: string | undefined;
  readonly #follow = () => {
    this.#previous = formatRoute(this.current.value);
    this.current.value = parseRoute(location.hash);
  };

  start(): void {
    this.current.value = parseRoute(location.hash);
    addEventListener('hashchange', this.#follow);
  }

  stop(): void {
    removeEventListener('hashchange', this.#follow);
  }

  go(route: Route): void {
    location.hash = formatRoute(route);
  }

  /** Replaces the current history entry. */
  replace(route: Route): void {
    history.replaceState(history.state, '', formatRoute(route));
    this.current.value = route;
  }

  /** Goes to the parent view, by the browser's back step if that leads there. */
  up(): void {
    const parent = parentOf(this.current.value);
    if (parent === undefined) return;
    if (this.#previous === formatRoute(parent)) history.back();
    else this.replace(parent);
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}
