import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('reading messages', () => {
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

  test('a message appears without a reload, with its unread count in list and title', async () => {
    const page = await stage.signedIn();
    await page.getByText('No messages yet.').waitFor();
    await home.receive('Dinner at 8?');
    await page.getByRole('link', { name: /Nonna.*Dinner at 8\?.*1 unread/s }).waitFor();
    await expect.poll(() => page.title(), patiently).toBe('(1) Homeline');
    await page.getByRole('status').getByText('New message from Nonna').waitFor({ state: 'attached' });
  });

  test('opening a thread marks its messages read at the phone, one by one', async () => {
    await home.receive('One');
    await home.receive('Two');
    const page = await stage.signedIn();
    await expect.poll(() => page.title(), patiently).toBe('(2) Homeline');
    await page.getByRole('link', { name: /Nonna/ }).click();
    await page.getByRole('log').getByText('Two').waitFor();
    await expect.poll(() => page.title(), patiently).toBe('Homeline');
    expect(home.calls.filter((call) => call.action === 'ReadMessage')).toHaveLength(2);
    await home.receive('Three');
    await page.getByRole('log').getByText('Three').waitFor();
    await expect.poll(() => home.calls.filter((call) => call.action === 'ReadMessage').length, patiently).toBe(3);
  });

  test('the text of a message is never markup', async () => {
    const attack = '<img src=x onerror="document.title=\'owned\'"><script>document.title="owned"</script>';
    await home.receive(attack, { from: { address: '+390110002', displayName: '<b>Bold</b>' }, subject: '<i>Sub</i>' });
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /<b>Bold<\/b>/ }).click();
    expect(await page.getByRole('log').locator('.message-text').textContent()).toBe(attack);
    expect(await page.locator('main img, main script, main b b, main i i').count()).toBe(0);
    expect(await page.title()).not.toBe('owned');
  });

  test('web addresses can be followed without giving the page away, others stay text', async () => {
    await home.receive('See https://example.org/a. Not javascript:alert(1)');
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /Nonna/ }).click();
    const link = page.getByRole('log').getByRole('link');
    await link.first().waitFor();
    expect(await link.count()).toBe(1);
    expect(await link.getAttribute('href')).toBe('https://example.org/a');
    expect(await link.getAttribute('rel')).toContain('noopener');
  });

  test('a name in another direction does not disturb what stands beside it', async () => {
    await home.receive('שלום', { from: { address: '+972541234567', displayName: '\u202eדנה' } });
    const page = await stage.signedIn();
    await expect.poll(() => page.locator('.row-name bdi').count(), patiently).toBe(1);
    await page.locator('.row').click();
    expect(await page.locator('.message-text').getAttribute('dir')).toBe('auto');
  });

  test('an e-mail shows its subject and lists its attachments with their sizes', async () => {
    await home.receive('Papers attached', {
      messageClass: 'e-Mail',
      from: { address: 'anna@example.org' },
      subject: 'The flat',
      attachments: [{ name: 'contract.pdf', contentType: 'application/pdf', sizeBytes: 1_250_000 }],
    });
    const page = await stage.signedIn();
    await page.getByRole('link', { name: /anna@example.org/ }).click();
    const thread = page.getByRole('log');
    await thread.getByText('contract.pdf').waitFor();
    expect(await thread.textContent()).toMatch(/The flat.*Papers attached.*application\/pdf · 1.3 MB.*e-Mail/s);
  });

  test('older messages come as one scrolls up, and the place is kept', async () => {
    for (let number = 1; number <= 120; number++) await home.receive(`Number ${number}.`, { status: 'Read' });
    const page = await stage.signedIn({ reducedMotion: 'reduce' });
    await page.getByRole('link', { name: /Nonna/ }).click();
    const thread = page.getByRole('log');
    await thread.getByText('Number 120.').waitFor();
    expect(await thread.locator('.bubble').count()).toBe(50);
    const middle = thread.getByText('Number 73.');
    const place = () => middle.evaluate((element) => Math.round(element.getBoundingClientRect().top));
    await middle.evaluate((element) => element.scrollIntoView({ block: 'start' }));
    const before = await place();
    await thread.getByText('Number 21.').waitFor({ state: 'attached' });
    expect(await place()).toBe(before);
    await thread.getByText('Number 21.').scrollIntoViewIfNeeded();
    await thread.getByText('Number 1.', { exact: true }).scrollIntoViewIfNeeded();
    expect(await thread.locator('.bubble').count()).toBe(120);
    await page.getByRole('button', { name: 'Latest' }).click();
    await expect.poll(() => thread.evaluate((element) => Math.round(element.scrollTop)), patiently).toBe(0);
  });

  test('an older page that did not come is told with its reason, and comes when asked for again', async () => {
    for (let number = 1; number <= 60; number++) await home.receive(`Number ${number}.`, { status: 'Read' });
    const page = await stage.signedIn();
    await page.route('**/messages?*cursor=*', (route) => route.abort('connectionreset'));
    await page.getByRole('link', { name: /Nonna/ }).click();
    const thread = page.getByRole('log');
    await thread.getByText('Number 11.').scrollIntoViewIfNeeded();
    await thread.getByText('The cloud does not answer.').waitFor();
    await page.unroute('**/messages?*cursor=*');
    await thread.getByRole('button', { name: 'Try again' }).click();
    await thread.getByText('Number 1.', { exact: true }).waitFor();
  });

  test('search finds conversations by name and messages by their words', async () => {
    await home.receive('The plumber comes on Tuesday', { status: 'Read' });
    await home.receive('Something else', { status: 'Read' });
    await home.receive('Hello', { from: { address: '+390110003', displayName: 'Bruno' }, status: 'Read' });
    const page = await stage.signedIn();
    const search = page.getByRole('searchbox');
    await search.fill('brun');
    await expect.poll(() => page.locator('.row').count(), patiently).toBe(1);
    await search.fill('plumber');
    const found = page.getByRole('link', { name: /The plumber comes/ });
    await found.click();
    await page.locator('.line[data-wanted=true]').getByText('The plumber comes on Tuesday').waitFor();
    await search.fill('zzz');
    await page.getByText('Nothing holds “zzz”.').waitFor();
  });

  test('a deletion can be undone, and otherwise reaches the phone', async () => {
    await home.receive('Keep me', { status: 'Read' });
    const page = await stage.signedIn();
    await page.clock.install();
    await page.getByRole('link', { name: /Nonna/ }).click();
    const line = page.getByRole('log').locator('.line');
    await line.hover();
    await page.getByRole('button', { name: 'Delete message' }).click();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.clock.runFor(10_000);
    await line.getByText('Keep me').waitFor();
    expect(home.calls.some((call) => call.action === 'DeleteMessage')).toBe(false);

    await line.hover();
    await page.getByRole('button', { name: 'Delete message' }).click();
    await page.clock.runFor(10_000);
    await expect.poll(() => line.count(), patiently).toBe(0);
    expect(home.calls.filter((call) => call.action === 'DeleteMessage')).toHaveLength(1);
    await page.clock.runFor(1_000);
    await page.getByText('No messages yet.').waitFor();
  });
});
