import { expect, test } from 'vitest';
import { offeredScopes } from '../../cloud/access/scopes.ts';
import { grants } from '../../cloud/dashboard/state/grants.ts';

test('every right that a token can have can be given in the dashboard', () => {
  expect(grants.map((grant) => grant.scope).toSorted()).toEqual([...offeredScopes].toSorted());
});
