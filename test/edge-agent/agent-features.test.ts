import { describe, expect, expectTypeOf, it } from 'vitest';
import { type AgentFeature, AgentFeatures } from '../../edge-agent/agent-features.ts';
import type { FeatureFrame } from '../../edge-agent/tunnel/client.ts';

const cancel: FeatureFrame = { type: 'cancel', id: 'c1' };

/** Features a, b, c … that write down what happens to them. */
function recorded(names: string, more: Partial<Record<string, AgentFeature>> = {}) {
  const log: string[] = [];
  const features = [...names].map(
    (name): AgentFeature => ({
      start: async () => {
        await Promise.resolve();
        log.push(`start ${name}`);
      },
      stop: () => void log.push(`stop ${name}`),
      onWelcome: () => void log.push(`welcome ${name}`),
      onLost: () => void log.push(`lost ${name}`),
      ...more[name],
    }),
  );
  return { log, list: new AgentFeatures(features, ignoringAll) };
}

const ignoringAll = {
  approvals: 'ignored',
  call: 'ignored',
  cancel: 'ignored',
  'dead-letters': 'ignored',
  inventory: 'ignored',
} as const;

describe('the list of an agent’s features', () => {
  it('starts one after the other and stops in the reverse order', async () => {
    const { log, list } = recorded('abc');
    await list.start();
    await list.stop();
    await list.stop();
    expect(log).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  });

  it('stops what it started when a later feature cannot start', async () => {
    const { log, list } = recorded('abcd', {
      c: {
        start: () => {
          throw new Error('no room');
        },
      },
    });
    await expect(list.start()).rejects.toThrow('no room');
    await list.stop();
    expect(log).toEqual(['start a', 'start b', 'stop b', 'stop a']);
  });

  it('stops the others although one cannot stop, and says so', async () => {
    const { log, list } = recorded('abc', { b: { stop: () => Promise.reject(new Error('stuck')) } });
    await list.start();
    await expect(list.stop()).rejects.toThrow('stuck');
    expect(log.slice(3)).toEqual(['stop c', 'stop a']);
  });

  it('stops what is started so far when it is stopped while it starts', async () => {
    let stopped: Promise<void> | undefined;
    const { log, list } = recorded('abc', {
      b: {
        start: () => {
          stopped = list.stop();
        },
      },
    });
    await list.start();
    await stopped;
    expect(log).toEqual(['start a', 'stop b', 'stop a']);
  });

  it('tells each feature when the connection comes and goes', async () => {
    const { log, list } = recorded('ab', { b: {} });
    await list.start();
    list.onWelcome({} as Parameters<typeof list.onWelcome>[0]);
    list.onLost();
    expect(log.slice(2)).toEqual(['welcome a', 'welcome b', 'lost a', 'lost b']);
  });
});

describe('a frame', () => {
  it('goes to the one feature that handles its type, and to none before the start or after the stop', async () => {
    const got: string[] = [];
    const list = new AgentFeatures([{ frames: { cancel: ({ id }: { id: string }) => got.push(id) } }, {}], {
      approvals: 'ignored',
      call: 'ignored',
      'dead-letters': 'ignored',
      inventory: 'ignored',
    });
    list.handle(cancel);
    await list.start();
    list.handle(cancel);
    list.handle({ type: 'inventory', udn: 'uuid:1', items: [] });
    await list.stop();
    list.handle(cancel);
    expect(got).toEqual(['c1']);
  });

  it('has one handler: a second one is a fault of the program', () => {
    const twice: AgentFeature = { frames: { cancel: () => {} } };
    expect(() => new AgentFeatures([twice, { ...twice }], ignoringAll)).toThrow('cancel');
  });

  it('that no feature handles must be named as ignored, or the list does not compile', () => {
    const features = [{ frames: { cancel: () => {}, call: () => {} } }] as const;
    type Rest = ConstructorParameters<typeof AgentFeatures<typeof features>>[1];
    expectTypeOf<keyof Rest>().toEqualTypeOf<'approvals' | 'dead-letters' | 'inventory'>();
  });
});
