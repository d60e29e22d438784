import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { refusal, type ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('the way of a message', () => {
  let stage: Stage;
  let home: ScriptedHome;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  beforeEach(async () => {
    await stage.reset();
    home = await stage.home();
    await home.start();
    await home.receive('Dinner at 8?', { status: 'Read' });
  });
  afterAll(() => stage.close());

  const open = async (page: Page) => {
    await page.getByRole('link', { name: /Nonna/ }).click();
    await page.getByRole('log').getByText('Dinner at 8?').waitFor();
  };
  const steps = (page: Page) => page.getByRole('dialog').getByRole('listitem');

  test('of one that came in is told step by step, by keyboard alone, and the focus comes back', async () => {
    const page = await stage.signedIn();
    await open(page);
    const button = page.getByRole('button', { name: 'Show its way' });
    await page.getByRole('log').focus();
    await page.keyboard.press('Tab');
    expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
    expect(await button.evaluate((element) => getComputedStyle(element).opacity)).toBe('1');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'How it came in' }).waitFor();
    await expect.poll(() => steps(page).count(), patiently).toBe(3);
    expect((await steps(page).allTextContents()).map((text) => text.replace(/^[\d:]{8}/, ''))).toEqual([
      'Received by the phone, by its own clock',
      'Taken up by the agent at home',
      'Stored in the cloud',
    ]);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count(), patiently).toBe(0);
    expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
  });

  test('of one that was refused ends with what the phone said', async () => {
    home.does.SendMessage = () => refusal(706, 'Recipient not valid');
    const page = await stage.signedIn();
    await open(page);
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Hello?');
    await page.keyboard.press('Enter');
    const line = page.getByRole('log').locator('.line[data-side=own]');
    await line.getByText('Not sent.').waitFor();
    await line.hover();
    await line.getByRole('button', { name: 'Show its way' }).click();
    await page.getByRole('dialog', { name: 'How it went out' }).waitFor();
    await expect.poll(() => steps(page).first().textContent(), patiently).toContain('Given to the cloud');
    expect(await steps(page).last().textContent()).toContain('706 Recipient not valid');
  });

  test('fits a phone-sized screen, and what cannot be read is told', async () => {
    const page = await stage.signedIn({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    await page.getByRole('link', { name: /Nonna/ }).tap();
    await page.getByRole('log').getByText('Dinner at 8?').tap();
    await page.route('**/trace', (route) =>
      route.fulfill({
        status: 503,
        json: { title: 'x', detail: 'The store does not answer.', code: 'store-unavailable' },
      }),
    );
    await page.getByRole('button', { name: 'Show its way' }).tap();
    const dialog = page.getByRole('dialog');
    await dialog.getByRole('alert').getByText('The store does not answer.').waitFor();
    const box = await dialog.boundingBox();
    expect(box?.x).toBeGreaterThanOrEqual(0);
    expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(390);
    await dialog.getByRole('button', { name: 'Close' }).tap();
    await expect.poll(() => dialog.count(), patiently).toBe(0);
  });
});
