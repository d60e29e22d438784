// Global setup of suites against the Worker: the bundle that `wrangler deploy` makes, and DynamoDB Local.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';
import { DynamoDbLocal, missingForDynamoDbLocal } from '../cloud/store/dynamodb-local.ts';

declare module 'vitest' {
  interface ProvidedContext {
    dynamoDbUrl: string;
    /** The Worker's bundle. */
    workerBuild: string;
  }
}

const root = resolve(import.meta.dirname, '../..');

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const missing = missingForDynamoDbLocal();
  if (missing !== undefined) throw new Error(missing);
  // These tests must send nothing off this machine.
  Object.assign(process.env, { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false' });
  const build = mkdtempSync(join(root, 'node_modules/.cache/worker-'));
  execFileSync('wrangler', ['deploy', '--dry-run', '--outdir', build], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const local = new DynamoDbLocal();
  await local.start();
  project.provide('dynamoDbUrl', local.endpoint);
  project.provide('workerBuild', join(build, 'worker.js'));
  return async () => {
    await local.stop();
    rmSync(build, { recursive: true, force: true });
  };
}
