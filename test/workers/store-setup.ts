// Starts the store of the tests in workerd and provides its address.
import type { TestProject } from 'vitest/node';
import { StoreService } from './store-service.ts';

declare module 'vitest' {
  interface ProvidedContext {
    storeUrl: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const service = new StoreService();
  project.provide('storeUrl', await service.start());
  return () => service.stop();
}
