import { describe, expect, it } from 'vitest';
import { ActionQueue } from '../../../edge-agent/messaging/action-queue.ts';

/** Tasks that end on command, and a record of which ran together. */
class Tasks {
  readonly running = new Set<string>();
  readonly order: string[] = [];
  readonly #ends = new Map<string, () => void>();

  task(name: string): () => Promise<string> {
    return async () => {
      this.running.add(name);
      this.order.push(name);
      await new Promise<void>((resolve) => this.#ends.set(name, resolve));
      this.running.delete(name);
      return name;
    };
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('the queue of a phone', () => {
  it('runs one action at a time, first come, first served', async () => {
    const queue = new ActionQueue({ inFlight: 1, waiting: 10 });
    const tasks = new Tasks();
    const all = ['a', 'b', 'c'].map((name) => queue.run(tasks.task(name), { exclusive: false }));
    expect([...tasks.running]).toEqual(['a']);
    await tasks.end('a');
    expect([...tasks.running]).toEqual(['b']);
    await tasks.end('b');
    await tasks.end('c');
    expect(await Promise.all(all)).toEqual(['a', 'b', 'c']);
  });

  it('runs several reads together but never two exclusive tasks', async () => {
    const queue = new ActionQueue({ inFlight: 3, waiting: 10 });
    const tasks = new Tasks();
    const all = [
      queue.run(tasks.task('send'), { exclusive: true }),
      queue.run(tasks.task('read'), { exclusive: false }),
      queue.run(tasks.task('search'), { exclusive: true }),
    ];
    expect([...tasks.running]).toEqual(['send', 'read']);
    await tasks.end('read');
    expect([...tasks.running]).toEqual(['send']);
    await tasks.end('send');
    expect([...tasks.running]).toEqual(['search']);
    await tasks.end('search');
    await Promise.all(all);
  });

  it('refuses an action when the queue is full', async () => {
    const queue = new ActionQueue({ inFlight: 1, waiting: 1 });
    const tasks = new Tasks();
    const all = [queue.run(tasks.task('a'), { exclusive: false }), queue.run(tasks.task('b'), { exclusive: false })];
    await expect(queue.run(tasks.task('c'), { exclusive: false })).rejects.toMatchObject({ code: 'too-many-requests' });
    await tasks.end('a');
    await tasks.end('b');
    await Promise.all(all);
  });

  it('drops an aborted waiter, and continues after a failure', async () => {
    const queue = new ActionQueue({ inFlight: 1, waiting: 5 });
    const tasks = new Tasks();
    const first = queue.run(tasks.task('a'), { exclusive: false });
    const controller = new AbortController();
    const second = queue.run(tasks.task('b'), { exclusive: false, signal: controller.signal });
    const third = queue.run(() => Promise.reject(new Error('no')), { exclusive: true });
    const fourth = queue.run(tasks.task('d'), { exclusive: true });
    controller.abort(new Error('too late'));
    await expect(second).rejects.toThrow('too late');
    const failed = expect(third).rejects.toThrow('no');
    await tasks.end('a');
    await failed;
    await tasks.end('d');
    await Promise.all([first, fourth]);
    expect(tasks.order).toEqual(['a', 'd']);
    await expect(queue.run(tasks.task('e'), { exclusive: false, signal: controller.signal })).rejects.toThrow(
      'too late',
    );
  });
});
