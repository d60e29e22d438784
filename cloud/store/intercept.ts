// Wraps a store so that one function sees each operation, and may watch, count, delay or fail it.
import type { Store } from './store.ts';

/** Receives the operation's name, such as `commit` or `messages.list`; its result becomes the operation's result. */
export type Interceptor = (operation: string, call: () => unknown, given: readonly unknown[]) => unknown;

/** Wraps the store and its sub-stores. Properties such as `id` pass through. */
export function interceptStore(store: Store, intercept: Interceptor): Store {
  return intercepted(store, '', intercept);
}

function intercepted<Part extends object>(part: Part, prefix: string, intercept: Interceptor): Part {
  const known = new Map<string | symbol, unknown>();
  return new Proxy(part, {
    get(target, name) {
      if (known.has(name)) return known.get(name);
      const member: unknown = Reflect.get(target, name, target);
      const operation = `${prefix}${String(name)}`;
      if (typeof member === 'function') {
        known.set(name, (...given: unknown[]) => intercept(operation, () => member.apply(target, given), given));
      } else if (typeof member === 'object' && member !== null) {
        known.set(name, intercepted(member, `${operation}.`, intercept));
      } else return member;
      return known.get(name);
    },
  });
}
