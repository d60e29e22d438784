// A watch at the Worker's end of a home's socket: why it ends and what it releases.
import { describe, expect, it } from 'vitest';
import { fromHeader, RelayedWatch } from '../../../cloud/hosts/worker-watch.ts';
import { until } from './household.ts';

function watched() {
  const { 0: outer, 1: object } = new WebSocketPair();
  object.accept();
  const headers = { [fromHeader]: 'the beginning' };
  const watch = new RelayedWatch(new Response(null, { status: 101, webSocket: outer, headers }));
  watch.start();
  return { watch, object };
}

const event = (n: number) => JSON.stringify({ type: 'message.deleted', id: String(n), data: { id: 'm' } });

describe('a relayed watch', () => {
  it('answers events in their order, whether they arrive before or after `next`', async () => {
    const { watch, object } = watched();
    expect(watch.from).toBe('the beginning');
    object.send(event(1));
    object.send(event(2));
    expect([(await watch.next())?.id, (await watch.next())?.id]).toEqual(['1', '2']);
    const third = watch.next();
    object.send(event(3));
    expect((await third)?.id).toBe('3');
    watch.stop();
  });

  it.each([
    [1001, 'draining'],
    [4429, 'tooSlow'],
    [1011, 'lost'],
  ] as const)('ends when the object closes with %i: %s', async (code, reason) => {
    const { watch, object } = watched();
    const next = watch.next();
    object.close(code, 'over');
    expect(await next).toBeUndefined();
    expect(watch.ended).toBe(reason);
  });

  it('releases its reader and the object when it is stopped', async () => {
    const { watch, object } = watched();
    const closed = new Promise<number>((resolve) => {
      object.addEventListener('close', ({ code }) => resolve(code));
    });
    const next = watch.next();
    watch.stop();
    expect(await next).toBeUndefined();
    expect(watch.ended).toBe('stopped');
    expect(await closed).toBe(1000);
  });

  it('ends for a reader that leaves a thousand events unread', async () => {
    const { watch, object } = watched();
    for (let n = 1; n <= 1001; n++) object.send(event(n));
    await until(() => watch.ended !== undefined);
    expect(watch.ended).toBe('tooSlow');
    expect(await watch.next()).toBeUndefined();
  });

  it('throws on an answer without a socket', () => {
    expect(() => new RelayedWatch(new Response('no'))).toThrow(/cannot be watched/);
  });
});
