import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatRoute, parentOf, parseRoute, type Route } from '../../cloud/dashboard/route.ts';

const some = fc.string({ unit: 'binary', minLength: 1 }).filter((text) => text.isWellFormed());
const routes: fc.Arbitrary<Route> = fc.oneof(
  fc.constantFrom<Route>(
    { page: 'messages' },
    { page: 'compose' },
    { page: 'sessions' },
    { page: 'new-session' },
    { page: 'home' },
  ),
  fc.record({ page: fc.constant('messages' as const), conversation: some }),
  fc.record({ page: fc.constant('messages' as const), conversation: some, message: some }),
  fc.record({ page: fc.constant('sessions' as const), session: some }),
);

test('a route read from its own address is the same route', () => {
  fc.assert(
    fc.property(routes, (route) => {
      expect(parseRoute(formatRoute(route))).toEqual(route);
    }),
  );
});

test('the conversation with a withheld number has an address of its own', () => {
  const route: Route = { page: 'messages', conversation: '' };
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

test('any address at all leads somewhere', () => {
  fc.assert(
    fc.property(fc.string(), (hash) => {
      expect(parseRoute(hash).page).toMatch(/^(messages|compose|sessions|new-session|home)$/);
    }),
  );
  expect(parseRoute('#/messages/%E0%A4%A')).toEqual({ page: 'messages', conversation: '' });
});

test('the way up ends at a list', () => {
  expect(parentOf({ page: 'messages', conversation: 'x' })).toEqual({ page: 'messages' });
  expect(parentOf({ page: 'new-session' })).toEqual({ page: 'sessions' });
  expect(parentOf({ page: 'sessions' })).toBeUndefined();
});
