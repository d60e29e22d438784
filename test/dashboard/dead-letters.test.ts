// A message that the cloud's store refuses, with the true phone, agent and cloud around it, as the household sees it.
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Household, type TestPhone } from '../end-to-end/household.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('what the cloud refused for good', () => {
  let stage: Stage;
  let household: Household;
  let phone: TestPhone;
  let page: Page;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  beforeEach(async () => {
    household = await Household.open({ dashboardFolder: stage.dashboardFolder });
    phone = await household.addPhone('Kitchen');
    await household.startAgent();
    await household.phoneOnline('Kitchen');
    inStore(`CREATE TRIGGER no_poison BEFORE INSERT ON messages WHEN NEW.record LIKE '%poison%'
      BEGIN SELECT RAISE(ABORT, 'it cannot be held'); END`);
    page = await stage.page();
    await page.goto(await household.signInLink());
    await page.getByText('No messages yet.').waitFor();
  });
  afterEach(async () => {
    await stage.clear();
    await household.close();
  });
  afterAll(() => stage.close());

  /** Another program at the cloud's database: a rule of its own is why the store refuses. */
  const inStore = (sql: string) => {
    const database = new DatabaseSync(join(household.cloudFolder, 'cloud.db'), { timeout: 5_000 });
    database.exec(sql);
    database.close();
  };
  const section = () => page.getByRole('region', { name: 'Not stored' });
  const openHome = async () => {
    await page.getByRole('link', { name: /Home.*1.*not stored/ }).click();
    await section().getByText('poison').waitFor();
  };

  test('is shown with phone, time and reason, refused again with its reason, and stored once the cause is gone', async () => {
    await phone.line.receive('+390110001', 'poison');
    await phone.line.receive('+390110001', 'wholesome');
    await page.getByRole('link', { name: /wholesome/ }).waitFor();
    await openHome();
    const words = (await section().getByRole('listitem').textContent()) ?? '';
    expect(words).toMatch(/From \+390110001poison.*Kitchen · \d\d:\d\d.*The store cannot hold this event\. internal/);

    await section().getByRole('button', { name: 'Try again' }).click();
    await page.getByText('It was refused again').waitFor();
    await section().getByText('poison').waitFor();

    inStore('DROP TRIGGER no_poison');
    await section().getByRole('button', { name: 'Try again' }).click();
    await page.getByText('It is stored now').waitFor();
    await expect.poll(() => section().count(), patiently).toBe(0);
    const { items } = await household.home('GET', '/messages?q=poison');
    expect(items).toMatchObject([{ body: 'poison', folder: 'Received' }]);
    expect(await household.home('GET', '/dead-letters')).toEqual({ items: [], next: null });
  });

  test('is discarded only after a second thought, and stays on the phone', async () => {
    await phone.line.receive('+390110001', 'poison');
    await openHome();
    await section().getByRole('button', { name: 'Discard' }).click();
    await section().getByRole('button', { name: 'Keep' }).click();
    await section().getByRole('button', { name: 'Discard' }).click();
    await section().getByRole('button', { name: 'Discard for good' }).click();
    await expect.poll(() => section().count(), patiently).toBe(0);
    expect((await household.home('GET', '')).deadLetters).toBe(0);
  });

  test('survives the agent, and goes when its phone is no longer approved', async () => {
    await phone.line.receive('+390110001', 'poison');
    await openHome();
    await household.stopAgent();
    // The home has a grace before it is offline.
    await expect.poll(() => section().count(), { timeout: 20_000 }).toBe(0);
    await household.startAgent();
    await section().getByText('poison').waitFor();
    await page.getByRole('listitem').filter({ hasText: 'Kitchen' }).getByRole('button', { name: 'Revoke' }).click();
    await expect.poll(() => section().count(), patiently).toBe(0);
    expect(await household.home('GET', '/dead-letters')).toEqual({ items: [], next: null });
  });
});
