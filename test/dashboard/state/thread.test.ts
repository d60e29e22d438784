// Thread, Reading and Deletions against a real cloud.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../../cloud/dashboard/api.ts';
import { Deletions, undoMs } from '../../../cloud/dashboard/state/deletions.ts';
import { Reading } from '../../../cloud/dashboard/state/reading.ts';
import { Thread } from '../../../cloud/dashboard/state/thread.ts';
import type { Message } from '../../../protocol/model.ts';
import { refusal } from '../scripted-home.ts';
import { BrowserPage, until } from './browser-page.ts';

const messages = '/v1/homes/home/messages';
const nonna = '+390110001';
const api = new Api(() => undefined);

let page: BrowserPage;
beforeEach(async () => {
  page = await BrowserPage.open();
  await page.signIn();
});
afterEach(() => page.close());

const bodies = (thread: Thread) => thread.messages.value?.map(({ body }) => body);
const open = async (key = nonna) => {
  const thread = new Thread(api, key, messages, { conversation: key });
  await thread.refresh();
  return thread;
};
async function stored(): Promise<Message[]> {
  return (await api.get<{ items: Message[] }>(messages)).items.reverse();
}

describe('a thread', () => {
  it('shows the newest page, loads older ones on request and reaches a message in them', async () => {
    for (let count = 1; count <= 120; count++) await page.home.receive(`${count}`);
    const thread = await open();
    expect(thread.messages.value).toHaveLength(50);
    expect(bodies(thread)?.at(-1)).toBe('120');
    await Promise.all([thread.loadOlder(), thread.loadOlder()]);
    expect(thread.messages.value).toHaveLength(100);
    const [oldest] = (await api.get<{ items: Message[] }>(messages, { limit: 200 })).items.reverse();
    expect(await thread.reach(oldest?.id ?? '')).toBe(true);
    expect(bodies(thread)).toEqual(Array.from({ length: 120 }, (_, index) => `${index + 1}`));
    expect(thread.hasOlder.value).toBe(false);
    expect(await thread.reach('m_none')).toBe(false);
  });

  it('keeps older pages on a reload, and drops a message that was deleted within the newest page', async () => {
    for (let count = 1; count <= 60; count++) await page.home.receive(`${count}`);
    const thread = await open();
    await thread.loadOlder();
    const last = thread.messages.value?.at(-1);
    await api.delete(`${messages}/${last?.id}`);
    await thread.refresh();
    expect(bodies(thread)).toEqual(Array.from({ length: 59 }, (_, index) => `${index + 1}`));
  });

  it('keeps a message that an event brought while the page was loading', async () => {
    await page.home.receive('Before');
    const thread = await open();
    const release = page.hold(/GET .*\/messages/);
    const reload = thread.refresh();
    await until('the request', () => page.requestsTo(/GET .*\/messages\?/).length === 2);
    await page.home.receive('Meanwhile');
    const newest = (await stored()).at(-1);
    if (newest !== undefined) thread.put(newest);
    release();
    await reload;
    expect(bodies(thread)).toEqual(['Before', 'Meanwhile']);
  });

  it('ignores messages of other conversations and learns the cloud’s key from the answer', async () => {
    await page.home.receive('Hello');
    await page.home.receive('Other', { from: { address: '+390110002' } });
    const thread = await open('tel:+39-011-0001');
    expect(bodies(thread)).toEqual(['Hello']);
    expect(thread.presentKey.value).toBe(nonna);
    for (const message of await stored()) thread.put(message);
    expect(bodies(thread)).toEqual(['Hello']);
  });

  it('keeps what it shows when a reload fails, with the fault', async () => {
    await page.home.receive('Hello');
    const thread = await open();
    page.isCut = true;
    await thread.refresh();
    expect(bodies(thread)).toEqual(['Hello']);
    expect(thread.fault.value).toMatchObject({ code: 'network' });
    page.isCut = false;
    await thread.refresh();
    expect(thread.fault.value).toBeUndefined();
  });
});

describe('reading', () => {
  const readCalls = () => page.home.calls.filter(({ action }) => action === 'ReadMessage').length;

  it('marks visible messages Read one at a time, and not while the page is hidden', async () => {
    await page.home.receive('One');
    await page.home.receive('Two');
    const read: Message[] = [];
    const reading = new Reading(
      api,
      () => messages,
      (message) => read.push(message),
    );
    page.visibility = 'hidden';
    reading.show(await stored());
    page.visibility = 'visible';
    expect(readCalls()).toBe(0);
    reading.show(await stored());
    await until('both', () => read.length === 2);
    expect(read).toMatchObject([{ status: 'Read' }, { status: 'Read' }]);
    reading.show(await stored());
    expect(page.requestsTo(/POST .*\/read/)).toHaveLength(2);
  });

  it('does not ask again about a message that the phone refused to mark', async () => {
    await page.home.receive('Stubborn');
    page.home.does.ReadMessage = () => refusal(402, 'Invalid Args');
    const read: Message[] = [];
    const reading = new Reading(
      api,
      () => messages,
      (message) => read.push(message),
    );
    reading.show(await stored());
    await until('the refusal', () => page.answered.some((path) => path.endsWith('/read')));
    await page.home.receive('Next');
    delete page.home.does.ReadMessage;
    reading.show(await stored());
    await until('the next one', () => read.length === 1);
    expect(readCalls()).toBe(2);
    expect((await stored()).map(({ status }) => status)).toEqual(['Unread', 'Read']);
  });

  it('retries after a failure of the connection when the message is shown again', async () => {
    await page.home.receive('Later');
    const read: Message[] = [];
    const reading = new Reading(
      api,
      () => messages,
      (message) => read.push(message),
    );
    const shown = await stored();
    page.isCut = true;
    reading.show(shown);
    page.isCut = false;
    expect(page.requestsTo(/POST .*\/read/)).toHaveLength(1);
    expect(await stored()).toMatchObject([{ status: 'Unread' }]);
    reading.show(shown);
    await until('the second attempt', () => read.length === 1);
    expect(readCalls()).toBe(1);
  });
});

describe('deletions', () => {
  it('can be undone before the time is over, and reach the phone after it', async () => {
    await page.home.receive('Keep');
    await page.home.receive('Delete');
    const [keep, unwanted] = await stored();
    if (keep === undefined || unwanted === undefined) throw new Error('Two messages were stored.');
    const deleted: string[] = [];
    const deletions = new Deletions(api, () => messages, {
      onDeleted: (id) => deleted.push(id),
      onFault: (fault) => expect.unreachable(String(fault)),
    });
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    deletions.plan(keep);
    deletions.plan(unwanted);
    expect([...deletions.planned.value]).toEqual([keep.id, unwanted.id]);
    deletions.undo(keep);
    await vi.advanceTimersByTimeAsync(undoMs);
    vi.useRealTimers();
    await until('the deletion', () => deleted.length === 1);
    expect(deleted).toEqual([unwanted.id]);
    expect((await stored()).map(({ body }) => body)).toEqual(['Keep']);
    expect(page.home.calls.map(({ action }) => action)).toEqual(['DeleteMessage']);
  });

  it('are carried out when the page closes', async () => {
    await page.home.receive('Delete');
    const [unwanted] = await stored();
    if (unwanted === undefined) throw new Error('One message was stored.');
    const deleted: string[] = [];
    const deletions = new Deletions(api, () => messages, {
      onDeleted: (id) => deleted.push(id),
      onFault: (fault) => expect.unreachable(String(fault)),
    });
    deletions.start();
    deletions.plan(unwanted);
    page.dispatch(new Event('pagehide'));
    await until('the deletion', () => deleted.length === 1);
    deletions.stop();
    expect(await stored()).toEqual([]);
  });

  it('show the message again if the phone refuses, with the reason', async () => {
    await page.home.receive('Stays');
    const [message] = await stored();
    if (message === undefined) throw new Error('One message was stored.');
    page.home.does.DeleteMessage = () => refusal(402, 'Invalid Args');
    const faults: unknown[] = [];
    const deletions = new Deletions(api, () => messages, {
      onDeleted: () => expect.unreachable('It was refused.'),
      onFault: (fault) => faults.push(fault),
    });
    deletions.start();
    deletions.plan(message);
    page.dispatch(new Event('pagehide'));
    await until('the refusal', () => faults.length === 1);
    deletions.stop();
    expect(deletions.planned.value.size).toBe(0);
    expect(faults).toMatchObject([{ code: 'phone-refused' }]);
  });
});
