// What any correspondent can send, looked at on the real page.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('hostile texts', () => {
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

  test.each([
    ['closing brackets after an address', `https://a.example/${')'.repeat(200_000)}`],
    ['addresses one after the other', 'https://a.example/ '.repeat(10_000)],
    ['addresses without a blank', 'https://a.example/'.repeat(10_000)],
    ['marks above one letter', `a${'\u0301'.repeat(100_000)}`],
    ['letters of both directions in turn', 'a\u05e9'.repeat(50_000)],
    ['Thai without a blank', '\u0e01'.repeat(100_000)],
    ['Arabic with its marks', '\u0628\u064b'.repeat(50_000)],
  ])('%s do not freeze the page: it can be opened, left and written in', async (_, body) => {
    await home.receive(body);
    await home.receive('Hello', { from: { address: '+390110002', displayName: 'Bruno' }, status: 'Read' });
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Nonna/ }).click();
    await page.getByRole('log').locator('.message-text').waitFor();
    expect(await page.getByRole('log').getByRole('link').count()).toBeLessThanOrEqual(200);
    await page.getByRole('textbox', { name: 'Message' }).fill('Still here');
    await page.getByRole('link', { name: /Bruno/ }).click();
    await page.getByRole('log').getByText('Hello').waitFor();
  });

  test('a long text is shown in portions, and completely on request', async () => {
    await home.receive(`${'word '.repeat(5_000)}end`);
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Nonna/ }).click();
    const thread = page.getByRole('log');
    await thread.getByRole('button', { name: /Show more/ }).click();
    await thread.getByRole('button', { name: /Show more/ }).click();
    await thread.getByText(/end$/).waitFor();
    expect((await thread.locator('.message-text').allTextContents()).join('')).toBe(`${'word '.repeat(5_000)}end`);
    expect(await thread.getByRole('button', { name: /Show more/ }).count()).toBe(0);
  });

  test('names of people, files and subjects are shown in the order in which they really stand', async () => {
    await home.receive('Look', {
      messageClass: 'e-Mail',
      from: { address: 'eve@example.org', displayName: 'Bank\u202e knaB' },
      subject: 'Your\u202eruoY',
      attachments: [{ name: 'photo\u202egpj.exe', contentType: 'image/jpeg', sizeBytes: 1_000 }],
    });
    const page = await stage.signedIn();
    await page.locator('.row-name').getByText('Bank knaB').click();
    const thread = page.getByRole('log');
    expect(await thread.locator('.attachment-name').textContent()).toBe('photogpj.exe');
    expect(await thread.locator('.bubble-subject').textContent()).toBe('YourruoY');
    expect(await page.locator('#root, body').first().textContent()).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/u);
  });

  test('a message of a year to come shows its year, and a newer one stands above it', async () => {
    const future = { from: { address: 'eve@example.org' }, time: '2036-01-01T12:00:00.000Z' } as const;
    await home.receive('From the future', future);
    await home.receive('Now');
    const page = await stage.signedIn({ timezoneId: 'UTC' });
    await expect.poll(() => page.locator('.row').count(), patiently).toBe(2);
    expect(await page.locator('.row').first().textContent()).toContain('Nonna');
    expect(await page.locator('.row-time').last().textContent()).toBe('1 Jan 2036');
  });
});
