import { expect, test } from 'vitest';
import { stepsFor } from '../../cloud/dashboard/state/session-steps.ts';
import type { Session } from '../../protocol/model.ts';
import type { Party } from '../../protocol/phone-model.ts';

const own = '+390119999';
const session = (status: Session['status'], initiator: string, recipients: Party[]): Session => ({
  id: 's_1',
  sessionId: 's-1',
  home: 'home',
  phone: 'p_1',
  sessionClass: 'Chat',
  status,
  subject: null,
  contentTypes: [],
  initiator: { address: initiator },
  recipients,
  startedAt: null,
  updatedAt: '2026-11-22T12:00:00.000Z',
});
const ada: Party = { address: 'ada', state: 'joined' };
const us = (state: NonNullable<Party['state']>): Party => ({ address: own, state });

test.each([
  ['an invitation to us', session('Pending', 'ada', [us('invited')]), ['Accept', 'Decline']],
  ['an invitation of ours', session('Pending', own, [{ address: 'ada', state: 'invited' }]), ['Withdraw']],
  ['one that we joined', session('Running', 'ada', [ada, us('joined')]), ['Leave', 'Close']],
  ['one that we began', session('Running', own, [ada]), ['Leave', 'Close']],
  ['one that we left and others go on with', session('Running', own, [ada, us('left')]), ['Join', 'Close']],
  ['one that we are invited to while it runs', session('Running', 'ada', [us('invited')]), ['Join', 'Close']],
  ['one in which nobody is named that we know', session('Running', 'ada', [ada]), ['Join', 'Leave', 'Close']],
  ['one that is parked', session('Parked', 'ada', [us('left')]), ['Join', 'Close']],
  ['one that is closed', session('Closed', own, [ada]), []],
])('%s offers what can be done', (_, given, words) => {
  expect(stepsFor(given, new Set([own])).map((step) => step.words)).toEqual(words);
});

test('while the phone’s own addresses are not known, nothing that may be possible is left out', () => {
  expect(stepsFor(session('Pending', own, [ada]), undefined).map((step) => step.step)).toEqual(['accept', 'close']);
  expect(stepsFor(session('Running', own, [us('joined')]), undefined)).toHaveLength(3);
});
