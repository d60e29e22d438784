import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserIsMissing, patiently, Stage } from './stage.ts';

const people = ['Ada', 'Bruno', 'Chiara'];

describe.skipIf(browserIsMissing())('moving about', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
    const home = await stage.home();
    await home.start();
    for (const [index, displayName] of people.entries()) {
      const from = { address: `+39011000${index}`, displayName };
      await home.receive(`Greetings from ${displayName}`, { from, status: 'Read' });
    }
  });
  beforeEach(() => stage.clear());
  afterAll(() => stage.close());

  /** The place to write takes the focus when a thread is opened; Escape leaves it. */
  const leaveField = async (page: Page) => {
    await page.locator('textarea:focus').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('textarea:focus').waitFor({ state: 'detached' });
  };
  const title = (page: Page) => page.getByRole('main').getByRole('heading', { level: 1 });

  test('j and k or the arrows walk through the conversations, and one step back ends the walk', async () => {
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Ada/ }).waitFor();
    await page.keyboard.press('j');
    await expect.poll(() => title(page).textContent(), patiently).toBe('Chiara');
    await leaveField(page);
    await page.keyboard.press('ArrowDown');
    await expect.poll(() => title(page).textContent(), patiently).toBe('Bruno');
    await leaveField(page);
    await page.keyboard.press('k');
    await expect.poll(() => title(page).textContent(), patiently).toBe('Chiara');
    await page.goBack();
    await page.getByText('Choose a conversation').waitFor();
  });

  test('/ searches, c composes, ? tells the keys, Escape goes back', async () => {
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Ada/ }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('bru');
    // Below the conversations stand the messages that hold the word, when the cloud has found them.
    const rows = page.locator('.rows').first().locator('.row');
    await expect.poll(() => rows.count(), patiently).toBe(1);
    await page.keyboard.press('Escape');
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('Next conversation').waitFor();
    await page.keyboard.press('Escape');
    await expect.poll(() => page.getByRole('dialog').count(), patiently).toBe(0);
    await page.keyboard.press('c');
    await expect.poll(() => title(page).textContent(), patiently).toBe('New message');
    expect(await page.getByLabel('To', { exact: true }).evaluate((field) => field === document.activeElement)).toBe(
      true,
    );
    await page.keyboard.press('Escape');
    await page.keyboard.press('Escape');
    await page.getByText('Choose a conversation').waitFor();
  });

  test('keys are letters while somebody writes', async () => {
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Ada/ }).click();
    const field = page.getByRole('textbox', { name: 'Message', exact: true });
    await field.pressSequentially('jack? c/k');
    expect(await field.inputValue()).toBe('jack? c/k');
    expect(await title(page).textContent()).toBe('Ada');
  });

  test('every control can be reached by Tab and shows that it has the focus', async () => {
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Ada/ }).waitFor();
    for (let steps = 0; steps < 12; steps++) {
      await page.keyboard.press('Tab');
      const outline = await page.evaluate(() => {
        const element = document.activeElement;
        if (element === null || element === document.body) return 'none yet';
        const shown = element.matches('input[type=search]') ? (element.parentElement ?? element) : element;
        return getComputedStyle(shown).outlineStyle;
      });
      expect(outline).not.toBe('none');
    }
  });

  test('an address leads straight to its thread, reload and bookmark included', async () => {
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Bruno/ }).click();
    await page.getByRole('log').getByText('Greetings from Bruno').waitFor();
    await page.reload();
    await page.getByRole('log').getByText('Greetings from Bruno').waitFor();
  });

  test('a phone-sized screen shows one pane at a time, and back leads to the list', async () => {
    const page = await stage.signedIn({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    const list = page.getByRole('region', { name: 'Conversations' });
    await list.getByRole('link', { name: /Ada/ }).tap();
    await page.getByRole('log').getByText('Greetings from Ada').waitFor();
    expect(await list.isVisible()).toBe(false);
    await page.getByRole('link', { name: 'Back' }).tap();
    await list.getByRole('link', { name: /Bruno/ }).tap();
    await page.getByRole('log').getByText('Greetings from Bruno').waitFor();
    await page.goBack();
    await list.getByRole('link', { name: /Chiara/ }).waitFor();
    for (const place of ['Messages', 'Sessions', 'Home']) {
      await page.getByRole('link', { name: place }).tap();
      const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]);
      expect(content).toBe(screen);
    }
  });
});
