import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('the live connection', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  beforeEach(() => stage.reset());
  afterAll(() => stage.close());

  test('a cloud that restarts is shown as reconnecting, and nothing that came meanwhile is missing', async () => {
    const page = await stage.signedIn();
    const home = await stage.home();
    await home.start();
    await home.receive('Before');
    await page.getByRole('link', { name: /Before/ }).waitFor();
    await home.stop();
    await stage.stopCloud();
    await page.getByText('Reconnecting…').waitFor();
    await stage.startCloud();
    await home.start();
    await home.receive('Meanwhile');
    await page.getByRole('link', { name: /Meanwhile/ }).waitFor();
    await expect.poll(() => page.getByText('Reconnecting…').count(), patiently).toBe(0);
    await home.receive('After');
    await page.getByRole('link', { name: /After/ }).waitFor();
  });

  test('an answer that is no event stream, as of a proxy, is not the end of it', async () => {
    const page = await stage.page();
    let refusals = 0;
    await page.route('**/events', (route) =>
      ++refusals > 1 ? route.fallback() : route.fulfill({ status: 502, body: 'Bad gateway' }),
    );
    await page.goto(await stage.host.signInLink());
    await page.getByText('Reconnecting…').waitFor();
    await expect.poll(() => page.getByText('Reconnecting…').count(), patiently).toBe(0);
    expect(refusals).toBe(2);
    const home = await stage.home();
    await home.start();
    await home.receive('Hello');
    await page.getByRole('link', { name: /Hello/ }).waitFor();
  });

  test('a device that loses its network says so, and catches up when it has one again', async () => {
    const home = await stage.home();
    await home.start();
    const page = await stage.signedIn();
    await page.getByText('No messages yet.').waitFor();
    await page.context().setOffline(true);
    await page.getByText('Reconnecting…').waitFor();
    await home.receive('Missed');
    expect(await page.getByRole('link', { name: /Missed/ }).count()).toBe(0);
    await page.context().setOffline(false);
    await page.getByRole('link', { name: /Missed/ }).waitFor();
    await expect.poll(() => page.getByText('Reconnecting…').count(), patiently).toBe(0);
  });

  test('a list that could not be read is told with its reason, and read when asked again', async () => {
    const page = await stage.page();
    const detail = 'The store does not answer.';
    let failures = 0;
    await page.route('**/conversations?*', (route) => {
      failures += 1;
      return route.fulfill({
        status: 503,
        json: { title: 'The store does not answer', detail, code: 'store-unavailable' },
      });
    });
    await page.goto(await stage.host.signInLink());
    await page.getByText(detail).waitFor();
    // It is read at the start, and once more when the live connection stands.
    await expect.poll(() => failures, patiently).toBe(2);
    await page.unroute('**/conversations?*');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('No messages yet.').waitFor();
    await expect.poll(() => page.getByText(detail).count(), patiently).toBe(0);
  });

  test('a sign-in that was revoked elsewhere ends here, too', async () => {
    const page = await stage.signedIn();
    await page.evaluate(() => fetch('/v1/sign-out', { method: 'POST' }));
    await page.goto(`${stage.url}/#/home`);
    await page.getByRole('heading', { name: 'You were signed out' }).waitFor();
  });

  test('a cloud that cannot be reached at the start is told as that, and tried again on demand', async () => {
    const page = await stage.page();
    await page.route('**/v1/**', (route) => route.abort('connectionrefused'));
    await page.goto(await stage.host.signInLink());
    await page.getByRole('heading', { name: 'The cloud does not answer' }).waitFor();
    await page.unroute('**/v1/**');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
  });
});
