import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { browserIsMissing, ownerToken, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('signing in', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  afterEach(() => stage.clear());
  afterAll(() => stage.close());

  test('a sign-in link opens the dashboard and leaves no code in the address', async () => {
    const page = await stage.signedIn();
    expect(page.url()).not.toContain('sign-in');
    await page.reload();
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
  });

  test('a link that was used says so, and how to get a new one', async () => {
    const link = await stage.host.signInLink();
    const first = await stage.page();
    await first.goto(link);
    await first.getByRole('heading', { name: 'Messages' }).waitFor();
    const second = await stage.page();
    await second.goto(link);
    await second.getByRole('heading', { name: 'This sign-in link no longer works' }).waitFor();
    expect(await second.getByText('npm run cloud').isVisible()).toBe(true);
    expect(second.url()).not.toContain('sign-in');
  });

  test('the owner token can be pasted instead, and a wrong one is refused in words', async () => {
    const page = await stage.page();
    await page.goto(stage.url);
    const field = page.getByLabel('Or paste the owner token');
    await field.fill(`hl_${'x'.repeat(43)}`);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'This token was not accepted' }).waitFor();
    await field.fill(ownerToken);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
  });

  test('signing out closes the dashboard, and a reload does not open it again', async () => {
    const page = await stage.signedIn();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Or paste the owner token').waitFor();
    await page.reload();
    await page.getByLabel('Or paste the owner token').waitFor();
  });

  test('a deep link is still the place after a sign-in on it', async () => {
    const page = await stage.page();
    await page.goto(`${stage.url}/#/home`);
    await page.getByLabel('Or paste the owner token').fill(ownerToken);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Phones' }).waitFor();
  });

  test('nothing is loaded from elsewhere, and no script or style stands in the page itself', async () => {
    const page = await stage.page();
    const hosts = new Set<string>();
    const faults: string[] = [];
    page.on('request', (request) => hosts.add(new URL(request.url()).host));
    page.on('console', (line) => {
      if (line.text().includes('Content Security Policy')) faults.push(line.text());
    });
    const answer = await page.goto(stage.url);
    await page.getByLabel('Or paste the owner token').waitFor();
    expect([...hosts]).toEqual([new URL(stage.url).host]);
    expect(answer?.headers()['content-security-policy']).toContain("default-src 'self'");
    expect(answer?.headers()['content-security-policy']).not.toContain('unsafe');
    expect(faults).toEqual([]);
  });
});
