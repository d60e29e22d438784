// The deployed Worker before its settings are made.
import { createExecutionContext } from 'cloudflare:test';
import { expect, it, vi } from 'vitest';
import worker, { type WorkerEnv } from '../../../cloud/hosts/worker.ts';

it('names all missing settings in its log, and none in its answers', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const answer = await worker.fetch(new Request('http://localhost/'), {} as WorkerEnv, createExecutionContext());
  expect(answer.status).toBe(500);
  expect(await answer.text()).toBe('The cloud is not set up yet: its log says what is missing.\n');
  expect(log.mock.calls.join()).toMatch(/HOMELINE_OWNER_TOKEN[\s\S]*HOMELINE_TABLE[\s\S]*AWS_SECRET_ACCESS_KEY/);
});
