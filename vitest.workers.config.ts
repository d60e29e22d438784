// Suites inside workerd: what the Worker and its homes' objects do in their own runtime, eviction and deploys included.
import { cloudflareTest } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [
    cloudflareTest(({ inject }) => ({
      main: 'test/workers/worker-under-test.ts',
      wrangler: { configPath: 'wrangler.toml' },
      miniflare: { bindings: { STORE_URL: inject<string>('storeUrl') } },
    })),
  ],
  test: {
    include: ['test/workers/workerd/*.test.ts', 'test/protocol/*.test.ts'],
    globalSetup: 'test/workers/store-setup.ts',
    testTimeout: 15_000,
  },
});
