// The settings of a home over REST, against the Node host.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunningCloud } from '../hosts/running-cloud.ts';

const cloud = new RunningCloud();
beforeAll(() => cloud.start());
afterAll(() => cloud.stop());

const change = (body: unknown, headers?: Record<string, string>) =>
  cloud.request('PATCH', '/v1/homes/home', body, headers);

describe('PATCH /homes/{home}', () => {
  it('changes what it names, shows it, and keeps it over a restart', async () => {
    expect((await cloud.get('/v1/homes/home')).body).toMatchObject({
      name: 'Home',
      keep: 'always',
      keepDays: null,
      country: null,
      questions: [],
    });
    const first = await change({ name: '  Lake house ', keep: 'like-the-phone', country: 'it' });
    expect(first).toMatchObject({ status: 200, body: { name: 'Lake house', keep: 'like-the-phone', country: 'IT' } });
    expect((await change({ keepDays: 365, country: null })).body).toMatchObject({
      name: 'Lake house',
      keep: 'like-the-phone',
      keepDays: 365,
      country: null,
    });
    await cloud.restart();
    const shown = { name: 'Lake house', keep: 'like-the-phone', keepDays: 365 };
    expect((await cloud.get('/v1/homes/home')).body).toMatchObject(shown);
    expect((await cloud.get('/v1/homes')).body.items).toMatchObject([shown]);
    expect((await change({ name: 'Home', keep: 'always', keepDays: null })).body).toMatchObject({ keepDays: null });
  });

  it.each([
    ['keepDays', 0],
    ['keepDays', 1.5],
    ['keepDays', '30'],
    ['keep', 'sometimes'],
    ['keep', null],
    ['country', 'Italy'],
    ['country', 'ZZ'],
    ['country', 'UK'],
    ['name', ' '],
    ['name', 'Home\r\nX-Injected: 1'],
    ['colour', 'red'],
  ])('refuses %s %j, naming it', async (field, value) => {
    const { status, body } = await change({ [field]: value });
    expect(status).toBe(400);
    expect(body.detail).toContain(field);
  });

  it('wants the right to manage homes', async () => {
    const { token } = (await cloud.post('/v1/tokens', { name: 'reader', scopes: ['homes:read', 'messages:read'] }))
      .body;
    const headers = { authorization: `Bearer ${token}` };
    expect(await change({ name: 'Mine' }, headers)).toMatchObject({ status: 403, body: { code: 'forbidden' } });
    expect((await cloud.get('/v1/homes/home')).body.name).toBe('Home');
  });
});
