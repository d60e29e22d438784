// Requirement C17: a phone serves one action at a time. Queued reads may share a call, but never one that started before them.
import { describe, expect, it } from 'vitest';
import { ActionQueue } from '../../../edge-agent/messaging/action-queue.ts';
import { type SharedCall, SharedReads } from '../../../edge-agent/messaging/shared-reads.ts';

const later = (ms: number) => performance.now() + ms;

/** A phone whose calls end on command, behind a queue of one at a time. */
class Phone {
  readonly queue = new ActionQueue({ inFlight: 1, waiting: 10 });
  readonly reads = new SharedReads<string>();
  readonly calls: (SharedCall & { key: string; answer(text: string): void; fail(error: Error): void })[] = [];

  read(key: string, signal?: AbortSignal, untilMs = later(60_000)): Promise<string> {
    return this.reads.read(
      key,
      { untilMs, signal },
      (call, shared) => this.queue.run(call, { exclusive: false, signal: shared }),
      (shared) => {
        const { promise, resolve, reject } = Promise.withResolvers<string>();
        shared.signal.addEventListener('abort', () => reject(shared.signal.reason));
        this.calls.push({ ...shared, key, answer: resolve, fail: reject });
        return promise;
      },
    );
  }

  async call(index: number) {
    await expect.poll(() => this.calls[index]).toBeDefined();
    const begun = this.calls[index];
    if (begun === undefined) throw new Error('The call did not begin.');
    return begun;
  }
}

describe('identical reads of a phone', () => {
  it('share one call that starts after all of them', async () => {
    const phone = new Phone();
    const first = phone.read('GetSessions');
    const waiting = [phone.read('GetSessions'), phone.read('GetSessions'), phone.read('GetSessions')];
    (await phone.call(0)).answer('before');
    expect(await first).toBe('before');
    (await phone.call(1)).answer('after');
    expect(await Promise.all(waiting)).toEqual(['after', 'after', 'after']);
    expect(phone.calls).toHaveLength(2);
  });

  it('do not share a call with other arguments', async () => {
    const phone = new Phone();
    const reads = ['a', 'b', 'c', 'b'].map((key) => phone.read(key));
    for (const [index, key] of ['a', 'b', 'c'].entries()) {
      const call = await phone.call(index);
      expect(call.key).toBe(key);
      call.answer(key);
    }
    expect(await Promise.all(reads)).toEqual(['a', 'b', 'c', 'b']);
  });

  it('never join a call in flight', async () => {
    const phone = new Phone();
    const first = phone.read('a');
    const call = await phone.call(0);
    const second = phone.read('a');
    call.answer('old');
    expect(await first).toBe('old');
    (await phone.call(1)).answer('new');
    expect(await second).toBe('new');
  });

  it('do not share a call across a change requested in between', async () => {
    const phone = new Phone();
    const held = phone.read('held');
    const before = phone.read('a');
    phone.reads.closeAll();
    const change = phone.queue.run(async () => 'changed', { exclusive: true });
    const after = phone.read('a');
    (await phone.call(0)).answer('held');
    (await phone.call(1)).answer('as it was');
    await change;
    (await phone.call(2)).answer('as it is');
    expect(await Promise.all([held, before, after])).toEqual(['held', 'as it was', 'as it is']);
  });

  it('all get a failure, and the next read calls again', async () => {
    const phone = new Phone();
    const held = phone.read('held');
    const reads = [phone.read('a'), phone.read('a')].map((read) => expect(read).rejects.toThrow('refused'));
    (await phone.call(0)).answer('held');
    (await phone.call(1)).fail(new Error('refused'));
    await Promise.all([held, ...reads]);
    const again = phone.read('a');
    (await phone.call(2)).answer('well');
    expect(await again).toBe('well');
  });

  it('keep the call when one caller gives up', async () => {
    const phone = new Phone();
    const held = phone.read('held');
    const controller = new AbortController();
    const cancelled = phone.read('a', controller.signal);
    const other = phone.read('a', new AbortController().signal);
    controller.abort(new Error('cancelled'));
    await expect(cancelled).rejects.toThrow('cancelled');
    (await phone.call(0)).answer('held');
    const call = await phone.call(1);
    expect(call.signal.aborted).toBe(false);
    call.answer('answer');
    expect(await Promise.all([held, other])).toEqual(['held', 'answer']);
  });

  it('abort the call when the last caller gives up, also in flight', async () => {
    const phone = new Phone();
    const controllers = [new AbortController(), new AbortController()];
    const held = phone.read('held');
    const reads = controllers.map((each) => expect(phone.read('a', each.signal)).rejects.toThrow('cancelled'));
    (await phone.call(0)).answer('held');
    const call = await phone.call(1);
    for (const each of controllers) each.abort(new Error('cancelled'));
    expect(call.signal.aborted).toBe(true);
    await Promise.all([held, ...reads]);
    const next = phone.read('b');
    (await phone.call(2)).answer('b');
    expect(await next).toBe('b');
  });

  it('never call the phone when all give up while queued', async () => {
    const phone = new Phone();
    const held = phone.read('held');
    const controller = new AbortController();
    const read = expect(phone.read('a', controller.signal)).rejects.toThrow('cancelled');
    controller.abort(new Error('cancelled'));
    await read;
    const next = phone.read('a');
    (await phone.call(0)).answer('held');
    (await phone.call(1)).answer('next');
    expect(await Promise.all([held, next])).toEqual(['held', 'next']);
    expect(phone.calls).toHaveLength(2);
  });

  it('give the call the latest deadline', async () => {
    const phone = new Phone();
    const held = phone.read('held');
    const untilMs = later(90_000);
    const reads = [phone.read('a', undefined, later(1000)), phone.read('a', undefined, untilMs)];
    (await phone.call(0)).answer('held');
    const call = await phone.call(1);
    expect(call.untilMs).toBe(untilMs);
    call.answer('a');
    await Promise.all([held, ...reads]);
  });

  it('fail when the queue is full', async () => {
    const phone = new Phone();
    const reads = Array.from({ length: 11 }, (_, index) => phone.read(`${index}`));
    await expect(phone.read('one more')).rejects.toMatchObject({ code: 'too-many-requests' });
    const joined = phone.read('10');
    for (let index = 0; index < 11; index++) (await phone.call(index)).answer(`${index}`);
    expect(await Promise.all([...reads, joined])).toHaveLength(12);
  });
});
