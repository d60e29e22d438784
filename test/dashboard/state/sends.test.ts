// SendState against a real cloud: every attempt of a send has the same key, and nothing is sent twice.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Api } from '../../../cloud/dashboard/api.ts';
import { SendState } from '../../../cloud/dashboard/state/sends.ts';
import type { Message } from '../../../protocol/model.ts';
import { refusal } from '../scripted-home.ts';
import { BrowserPage, until } from './browser-page.ts';

const messages = '/v1/homes/home/messages';
const draft = (body: string) => ({
  conversation: '+390110001',
  path: messages,
  request: { messageClass: 'SMS' as const, to: ['+390110001'], body },
  known: new Set<string>(),
});

describe('sends', () => {
  let page: BrowserPage;
  let sends: SendState;
  let taken: Message[];
  beforeEach(async () => {
    page = await BrowserPage.open();
    await page.signIn();
    taken = [];
    sends = new SendState(
      new Api(() => undefined),
      () => messages,
      (message) => taken.push(message),
    );
    sends.start();
  });
  afterEach(async () => {
    sends.stop();
    vi.useRealTimers();
    await page.close();
  });

  it('shows a send as pending until the cloud has accepted it', async () => {
    const release = page.hold(/POST .*\/messages/);
    sends.send(draft('Hello'));
    await until('the request', () => page.requestsTo(/POST .*\/messages/).length === 1);
    expect(sends.pending.value).toMatchObject([{ state: 'sending', request: { body: 'Hello' } }]);
    release();
    await until('the answer', () => taken.length === 1);
    expect(taken).toMatchObject([{ body: 'Hello', state: 'sent' }]);
    expect(sends.pending.value).toEqual([]);
  });

  it('retries a send whose answer was lost under the same key, and sends it once', async () => {
    page.loseAnswers(1);
    sends.send(draft('Once'));
    await until('the retry', () => taken.length === 1);
    const keys = page.requestsTo(/POST .*\/messages/).map(({ headers }) => headers['idempotency-key']);
    expect(keys).toHaveLength(2);
    expect(new Set(keys).size).toBe(1);
    expect(page.home.calls.filter(({ action }) => action === 'SendMessage')).toHaveLength(1);
  });

  it('leaves the decision to the user after the last automatic retry, and warns before the page closes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    page.isCut = true;
    sends.send(draft('Stuck'));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sends.pending.value).toMatchObject([{ state: 'unanswered', fault: { code: 'network' } }]);
    expect(page.requestsTo(/POST .*\/messages/)).toHaveLength(5);
    expect(page.dispatch(new Event('beforeunload', { cancelable: true }))).toBe(false);

    vi.useRealTimers();
    page.isCut = false;
    const [stuck] = sends.pending.value;
    if (stuck !== undefined) sends.retry(stuck);
    await until('the send', () => taken.length === 1);
    const keys = page.requestsTo(/POST .*\/messages/).map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(1);
  });

  it('keeps a refused request, and retries it under a new key', async () => {
    sends.send({ ...draft('x'), request: { messageClass: 'SMS', to: [''], body: 'x' } });
    await until('the refusal', () => sends.pending.value[0]?.state === 'refused');
    expect(page.dispatch(new Event('beforeunload', { cancelable: true }))).toBe(true);
    const [refused] = sends.pending.value;
    if (refused !== undefined) sends.retry(refused);
    await until('the second refusal', () => sends.pending.value[0]?.state === 'refused');
    const keys = page.requestsTo(/POST .*\/messages/).map(({ headers }) => headers['idempotency-key']);
    expect(new Set(keys).size).toBe(2);
  });

  it('shows a send that the phone refused as the failed message that the cloud keeps', async () => {
    page.home.does.SendMessage = () => refusal(706, 'Recipient not valid');
    sends.send(draft('Refused'));
    await until('the failed message', () => taken.length === 1);
    expect(taken).toMatchObject([{ body: 'Refused', state: 'failed' }]);
    expect(sends.pending.value).toEqual([]);
  });

  it('does not report a send that was discarded while it was in flight', async () => {
    const release = page.hold(/POST .*\/messages/);
    sends.send(draft('Discarded'));
    await until('the request', () => page.home.calls.length === 1);
    const [pending] = sends.pending.value;
    if (pending !== undefined) sends.discard(pending);
    release();
    const other = draft('Next');
    sends.send(other);
    await until('the next send', () => taken.length === 1);
    expect(taken).toMatchObject([{ body: 'Next' }]);
  });
});
