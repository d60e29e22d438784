// The Worker and a home's object that was replaced, is overloaded, or answers a fault.
import { describe, expect, it } from 'vitest';
import type { RpcResult } from '../../../cloud/hosts/rpc-result.ts';
import { type RemoteHome, WorkerHubs } from '../../../cloud/hosts/worker-hubs.ts';
import type { PhoneCall } from '../../../cloud/hub/hubs.ts';
import { GatewayError } from '../../../protocol/errors.ts';
import { send } from '../../contract/messages.ts';

/** Hubs whose homes answer each operation by the next of `answers`, and the operations they were asked for. */
function hubsThat(...answers: (() => RpcResult<unknown>)[]) {
  const asked: string[] = [];
  const object: RemoteHome = {
    invoke: async (operation) => {
      asked.push(operation);
      return answers[asked.length - 1]?.() ?? {};
    },
    fetch: () => Promise.reject(new Error('No test watches a home here.')),
  };
  return { hubs: new WorkerHubs({ getByName: () => object }), asked };
}

const gone = () => {
  throw new Error('Durable Object reset because its code was updated.');
};
const overloaded = () => {
  throw Object.assign(new Error('Durable Object is overloaded.'), { overloaded: true });
};
const call = (action: PhoneCall['action'], key?: string): PhoneCall => ({
  phone: 'p_1',
  action,
  form: 'model',
  arguments: {},
  key,
});

describe('a call to an object that was replaced', () => {
  it.each([
    ['GetSessions', undefined, 'tunnel-lost'],
    ['CreateSession', undefined, 'outcome-unknown'],
    ['SendMessage', undefined, 'outcome-unknown'],
    ['SendMessage', 'm_1', 'tunnel-lost'],
  ] as const)('%s under key %s is %s, and is not repeated here', async (action, key, code) => {
    const { hubs, asked } = hubsThat(gone);
    await expect(hubs.home('home').call(call(action, key))).rejects.toMatchObject({ code });
    expect(asked).toEqual(['call']);
  });

  it('says when to try again', async () => {
    const { hubs } = hubsThat(gone);
    await expect(hubs.home('home').call(call('GetSessions'))).rejects.toMatchObject({ retryAfterMs: 2_000 });
  });
});

it('asks once only for an operation that would not find what the first one did', async () => {
  const { hubs, asked } = hubsThat(gone);
  await expect(hubs.home('home').settleDeadLetter('d_1', 'retry')).rejects.toMatchObject({ code: 'tunnel-lost' });
  expect(asked).toEqual(['settleDeadLetter']);
});

describe('an operation that may be repeated', () => {
  it('is repeated, and the new object answers', async () => {
    const { hubs, asked } = hubsThat(gone, () => ({ value: undefined }));
    expect(await hubs.home('home').status()).toBeUndefined();
    expect(asked).toEqual(['status', 'status']);
  });

  it('is not repeated a second time', async () => {
    const { hubs, asked } = hubsThat(gone, gone);
    await expect(hubs.home('home').dismiss('t_1')).rejects.toMatchObject({ code: 'tunnel-lost', retryAfterMs: 2_000 });
    expect(asked).toHaveLength(2);
  });

  it('is a send, which answers its stored message with the error', async () => {
    const record = send('m_00000000000000000000000001');
    const fault = {
      code: 'phone-refused' as const,
      detail: 'no',
      refusal: { upnpCode: 706, upnpDescription: 'recipient' },
    };
    const { hubs, asked } = hubsThat(gone, () => ({ value: { message: { ...record, state: 'failed' } }, fault }));
    const { message, error } = await hubs.home('home').send(record, 'queue');
    expect(asked).toEqual(['send', 'send']);
    expect(message.state).toBe('failed');
    expect(error).toBeInstanceOf(GatewayError);
    expect(error).toMatchObject({ code: 'phone-refused', message: 'no', refusal: { upnpCode: 706 } });
  });
});

describe('an overloaded object', () => {
  it.each([
    ['call', (hubs: WorkerHubs) => hubs.home('home').call(call('CreateSession'))],
    ['status', (hubs: WorkerHubs) => hubs.home('home').status()],
  ])('is not asked again: %s', async (_, ask) => {
    const { hubs, asked } = hubsThat(overloaded);
    await expect(ask(hubs)).rejects.toMatchObject({ code: 'too-many-requests', retryAfterMs: 2_000 });
    expect(asked).toHaveLength(1);
  });
});

it('a fault is thrown as the GatewayError that it was', async () => {
  const { hubs } = hubsThat(() => ({ fault: { code: 'home-offline', detail: 'Nobody there.', retryAfterMs: 7 } }));
  const error = await hubs
    .home('home')
    .approve('p_1', true)
    .catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(GatewayError);
  expect(error).toMatchObject({ code: 'home-offline', message: 'Nobody there.', retryAfterMs: 7 });
});
