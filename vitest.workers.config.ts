// The suites of the Workers host. `workerd`: inside the runtime, with eviction and deploys. `end-to-end`: the suites of
// the Node host, with the Worker and DynamoDB Local in its place.
import { resolve } from 'node:path';
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig, type TestProjectConfiguration } from 'vitest/config';
import { missingForDynamoDbLocal } from './test/cloud/store/dynamodb-local.ts';

const missing = missingForDynamoDbLocal();
if (missing !== undefined) console.log(`Skipped: the end-to-end suites in workerd. ${missing}`);

const endToEnd: TestProjectConfiguration = {
  resolve: {
    alias: [{ find: /^(\.\.\/)+cloud\/hosts\/node\.ts$/, replacement: resolve('test/workers/worker-cloud.ts') }],
  },
  test: {
    name: 'end-to-end',
    include: ['test/workers/*.test.ts', 'test/end-to-end/*.test.ts', 'test/cloud/routes/*.test.ts'],
    // What is about the Node host alone: its counters, its dashboard folder, and its graceful stop.
    exclude: ['test/cloud/routes/service.test.ts', 'test/end-to-end/start.test.ts'],
    testNamePattern: /^(?!.*ends when the cloud stops)/,
    globalSetup: 'test/workers/cloud-setup.ts',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    pool: 'forks',
    // Each starts a workerd of its own.
    maxWorkers: 2,
    // Vitest wants an order for projects of different worker counts.
    sequence: { groupOrder: 1 },
  },
};

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest(({ inject }) => ({
            main: 'test/workers/worker-under-test.ts',
            wrangler: { configPath: 'wrangler.toml' },
            miniflare: { bindings: { STORE_URL: inject<string>('storeUrl') } },
          })),
        ],
        resolve: {
          // As the suites name it; the store service, two folders up, keeps the true one.
          alias: [
            { find: /^(\.\.\/){3}cloud\/store\/sqlite\.ts$/, replacement: resolve('test/workers/store-in-node.ts') },
          ],
        },
        test: {
          name: 'workerd',
          include: ['test/workers/workerd/*.test.ts', 'test/cloud/hub/*.test.ts', 'test/protocol/*.test.ts'],
          // They hold the contract against files of the repository, which workerd cannot read.
          exclude: ['test/protocol/actions.test.ts', 'test/protocol/frames.test.ts'],
          globalSetup: 'test/workers/store-setup.ts',
          testTimeout: 60_000,
        },
      },
      ...(missing === undefined ? [endToEnd] : []),
    ],
  },
});
