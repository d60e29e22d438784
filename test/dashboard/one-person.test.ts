// One correspondent in many spellings is one conversation, in which the phone's own spelling is shown and answered to.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readDocument } from '../../edge-agent/messaging/documents.ts';
import type { ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

const list = readFileSync(join(import.meta.dirname, '../fixtures/messaging/one-person.xml'), 'utf8');
const messages = readDocument('messageList', list, { device: 'test', action: 'SearchMessages' });

describe.skipIf(browserIsMissing())('one person', () => {
  let stage: Stage;
  let home: ScriptedHome;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  beforeEach(async () => {
    await stage.reset();
    home = await stage.home();
    await home.start();
  });
  afterAll(() => stage.close());

  test('in every spelling has one conversation, in which each message is', async () => {
    for (const { body, ...message } of messages) await home.receive(body, { ...message, status: 'Read' });
    const page = await stage.signedIn();
    await expect.poll(() => page.locator('.row').count(), patiently).toBe(2);
    expect(await page.locator('.row-name').allTextContents()).toEqual(['Ada <ada@example.org>', '011 0001']);
    await page.locator('.row').last().click();
    const thread = page.getByRole('log');
    await thread.getByText('Spelling 0').waitFor();
    expect(await thread.locator('.message-text').allTextContents()).toEqual(
      [0, 1, 2, 3, 4].map((n) => `Spelling ${n}`),
    );
    await page.getByRole('textbox', { name: 'Message' }).fill('Hello');
    await page.keyboard.press('Enter');
    await thread.getByText('Hello').waitFor();
    await expect.poll(() => home.calls.some((call) => call.action === 'SendMessage'), patiently).toBe(true);
    const sent = home.calls.find((call) => call.action === 'SendMessage');
    expect(sent?.given).toMatchObject({ MessageToSend: { to: [{ address: '011 0001' }] } });
    await expect.poll(() => page.locator('.row').count(), patiently).toBe(2);
  });

  test('is written to in the conversation that is there, when the number is typed in another way', async () => {
    await home.receive('Dinner at 8?', { status: 'Read' });
    const page = await stage.signedIn();
    await page.locator('.row').waitFor();
    await page.goto(`${stage.url}/#/compose`);
    await page.getByLabel('To').fill('011 0001');
    await page.getByRole('textbox', { name: 'Message' }).fill('Yes, at 8');
    await page.keyboard.press('Enter');
    const thread = page.getByRole('log');
    await thread.getByText('Yes, at 8').waitFor();
    await thread.getByText('Dinner at 8?').waitFor();
    await home.receive('Good', { status: 'Read' });
    await thread.getByText('Good').waitFor();
    await expect.poll(() => page.locator('.row').count(), patiently).toBe(1);
    expect(await page.locator('.row').getAttribute('aria-current')).toBe('page');
  });

  test('is found by a bookmark with an address as it was listed before', async () => {
    await home.receive('Dinner at 8?', { from: { address: '011 0001', displayName: 'Nonna' }, status: 'Read' });
    const page = await stage.signedIn();
    await page.goto(`${stage.url}/#/messages/${encodeURIComponent('011 0001')}`);
    await page.getByRole('log').getByText('Dinner at 8?').waitFor();
    await home.receive('Well?', { from: { address: '0039 011 0001' }, status: 'Read' });
    await page.getByRole('log').getByText('Well?').waitFor();
    await page.getByRole('heading', { name: 'Nonna' }).waitFor();
  });
});
