import { expect, it } from 'vitest';
import { homeHandle, invokeOperation, lostAnswerOf } from '../../../cloud/hub/hubs.ts';
import type { ActionName } from '../../../protocol/actions.ts';

it('a handle passes an operation on with its arguments', async () => {
  const invoked: unknown[] = [];
  const handle = homeHandle(async (...call) => invoked.push(call));
  await handle.approve('p_1', true);
  await invokeOperation(handle, 'dismiss', ['t_1']);
  expect(invoked).toEqual([
    ['approve', ['p_1', true]],
    ['dismiss', ['t_1']],
  ]);
});

it('a handle is no promise, so that a function may answer it', async () => {
  const handle = homeHandle(() => Promise.reject(new Error('not asked')));
  expect(await Promise.resolve(handle)).toBe(handle);
});

it.each([
  ['GetSessions', undefined, 'tunnel-lost'],
  ['SendMessage', 'm_1', 'tunnel-lost'],
  ['SendMessage', undefined, 'outcome-unknown'],
] as [ActionName, string | undefined, string][])(
  'the lost answer of %s under key %s is %s',
  (action, key, expected) => {
    const call = { phone: 'p_1', action, form: 'model', arguments: {}, key };
    expect(lostAnswerOf('call', [call])).toBe(expected);
  },
);
