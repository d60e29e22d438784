// Notices, announcements and drafts.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../../cloud/dashboard/api.ts';
import { Drafts } from '../../../cloud/dashboard/state/drafts.ts';
import { Notices } from '../../../cloud/dashboard/state/notices.ts';

describe('notices', () => {
  let notices: Notices;
  beforeEach(() => {
    vi.useFakeTimers();
    notices = new Notices();
  });
  afterEach(() => {
    notices.stop();
    vi.useRealTimers();
  });
  const titles = () => notices.shown.value.map(({ title }) => title);

  it('disappear by themselves, faults later than others', () => {
    notices.show({ tone: 'plain', title: 'Sent' });
    notices.fault('The message was not deleted', new Error('The phone does not answer.'));
    vi.advanceTimersByTime(6_000);
    expect(notices.shown.value).toMatchObject([
      { title: 'The message was not deleted', detail: 'The phone does not answer.' },
    ]);
    vi.advanceTimersByTime(6_000);
    expect(titles()).toEqual([]);
  });

  it('are at most three; the oldest goes first', () => {
    for (const title of ['1', '2', '3', '4']) notices.show({ tone: 'plain', title });
    expect(titles()).toEqual(['2', '3', '4']);
  });

  it('name the request of a fault, and say nothing of a session that has ended', () => {
    notices.fault('Not saved', new ApiError(503, { detail: 'The store does not answer.', requestId: 'r_1' }));
    expect(notices.shown.value).toMatchObject([{ detail: 'The store does not answer. (request r_1)' }]);
    notices.fault('Not saved', new ApiError(401, { detail: 'Sign in.' }));
    expect(titles()).toEqual(['Not saved']);
  });

  it('announce a repeated sentence again', () => {
    notices.announce('Message sent');
    const { id } = notices.announcement.value;
    notices.announce('Message sent');
    expect(notices.announcement.value).toEqual({ id: id + 1, sentence: 'Message sent' });
  });
});

describe('drafts', () => {
  it('keep a text for each conversation until it is emptied or the home is left', () => {
    const drafts = new Drafts();
    drafts.set('+390110001', 'Dinner');
    drafts.set('+390110002', 'Lunch');
    expect([drafts.get('+390110001'), drafts.get('+390110003')]).toEqual(['Dinner', '']);
    drafts.set('+390110001', '');
    expect(drafts.get('+390110001')).toBe('');
    drafts.stop();
    expect(drafts.get('+390110002')).toBe('');
  });
});
