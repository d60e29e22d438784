// The whole Worker where it differs from the Node host.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunningCloud } from '../cloud/hosts/running-cloud.ts';

const cloud = new RunningCloud();
beforeAll(() => cloud.start());
afterAll(() => cloud.stop());

describe('the Worker in the place of the Node host', () => {
  it('is really the Worker: it has no counters', async () => {
    const answer = await cloud.get('/metrics');
    expect(answer).toMatchObject({
      status: 404,
      body: { code: 'not-found', detail: expect.stringContaining('Workers Metrics') },
    });
  });

  it('serves documents in their compressed form', async () => {
    for (const path of ['/openapi.json', '/docs']) {
      const { headers, body } = await cloud.get(path);
      expect(headers.get('content-encoding')).toBe('gzip');
      expect(JSON.stringify(body)).toContain('/v1/homes/{home}/phones');
    }
  });

  it('stores a frame of a megabyte and refuses a longer one', async () => {
    const { agent, phone } = await cloud.homeWithPhone();
    const list = 'x'.repeat(900_000);
    agent.script.GetSessions = () => ({ arguments: { SessionsList: list } });
    const path = `/v1/homes/home/phones/${phone.id}/actions/GetSessions`;
    const given = { arguments: { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' } };
    expect((await cloud.post(path, given)).body.arguments.SessionsList).toBe(list);
    agent.sendText('x'.repeat(1_100_000));
    expect(await agent.next('error')).toMatchObject({ code: 'frame-too-large' });
    expect((await cloud.post(path, given)).status).toBe(200);
  });
});
