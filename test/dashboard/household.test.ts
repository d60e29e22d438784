import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('phones, agents and tokens', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  beforeEach(() => stage.reset());
  afterAll(() => stage.close());

  test('a newcomer is led from the first agent to the first message', async () => {
    const page = await stage.signedIn();
    const detail = page.getByRole('main');
    await detail.getByRole('heading', { name: 'No agent has called from this home yet' }).waitFor();
    const home = await stage.home();
    await home.start({ trusted: false });
    await detail.getByRole('heading', { name: 'A phone was found and waits for your word' }).waitFor();
    await detail.getByRole('link', { name: 'approve the phone' }).click();
    await page.getByText('Not approved: its messages stay at home.').waitFor();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.getByRole('button', { name: 'Revoke' }).first().waitFor();
    await page.getByRole('link', { name: 'Messages' }).click();
    await detail.getByText('npm run phone -- say').waitFor();
    await home.receive('Here I am');
    await page.getByRole('link', { name: /Here I am/ }).waitFor();
  });

  test('the home’s coming and going shows at once, with the time', async () => {
    const home = await stage.home();
    await home.start();
    const page = await stage.signedIn();
    await page.goto(`${stage.url}/#/home`);
    await expect.poll(() => page.locator('.presence').textContent(), patiently).toMatch(/Online since \d/);
    await home.stop();
    await expect.poll(() => page.locator('.presence').textContent(), patiently).toMatch(/Offline since \d/);
    await page.getByText(/Offline since .*192\.0\.2\.20/).waitFor();
  });

  test('what was approved elsewhere shows without a reload', async () => {
    const home = await stage.home();
    await home.start({ trusted: false });
    const page = await stage.signedIn();
    await page.goto(`${stage.url}/#/home`);
    const line = page.getByRole('listitem').filter({ hasText: 'Hall phone' });
    await line.getByRole('button', { name: 'Approve' }).waitFor();
    const elsewhere = await stage.signedIn();
    await elsewhere.goto(`${stage.url}/#/home`);
    await elsewhere.getByRole('button', { name: 'Approve' }).click();
    await line.getByRole('button', { name: 'Revoke' }).waitFor();
    await elsewhere
      .getByRole('listitem')
      .filter({ hasText: 'Hall phone' })
      .getByRole('button', { name: 'Revoke' })
      .click();
    await line.getByRole('button', { name: 'Approve' }).waitFor();
  });

  test('it is told when something last really passed each way, and that nothing does any more', async () => {
    const home = await stage.home();
    await home.start();
    const page = await stage.page();
    await page.clock.install();
    await page.goto(await stage.host.signInLink());
    await page.getByRole('link', { name: 'Home', exact: true }).click();
    const way = (words: string) => page.locator('.facts div').filter({ hasText: words }).locator('dd');
    await expect.poll(() => way('From a phone').textContent(), patiently).toContain('nothing yet');
    await home.receive('Here I am', { status: 'Read' });
    await page.clock.runFor(31_000);
    await expect.poll(() => way('From a phone').textContent(), patiently).toMatch(/\d\d:\d\d \(\d+ seconds? ago\)/);
    expect(await way('To a phone').textContent()).toContain('nothing yet');
    await page.clock.runFor(12 * 60_000);
    await page
      .getByRole('alert')
      .getByText(/nothing has come from its phones for 1\d minutes/)
      .waitFor();
    await home.receive('Still here', { status: 'Read' });
    await page.clock.setFixedTime(Date.now());
    await page.clock.runFor(31_000);
    await expect.poll(() => page.getByText('nothing has come').count(), patiently).toBe(0);
  });

  test('it is told that nothing gets to the phones any more, and not because the cloud has just started', async () => {
    await (await stage.home()).start();
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    let flow: { fromPhones: string | null; toPhones: string | null } = { fromPhones: null, toPhones: null };
    const page = await stage.page();
    await page.clock.install();
    // As a home that has been online for an hour.
    await page.route('**/v1/homes/home', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), since: hourAgo, flow } });
    });
    await page.goto(await stage.host.signInLink());
    await page.getByRole('link', { name: 'Home', exact: true }).click();
    await page.getByText('so that a way that is blocked does not go unnoticed').waitFor();
    flow = { fromPhones: new Date().toISOString(), toPhones: hourAgo };
    await page.clock.runFor(31_000);
    await page
      .getByRole('alert')
      .getByText(/nothing that the cloud asked has got to them for 1 hour/)
      .waitFor();
  });

  test('a full disk and a phone that hangs are told in words, wherever it matters, and no longer when it is over', async () => {
    const home = await stage.home();
    await home.start();
    await home.receive('Here I am');
    const full = { code: 'store-unavailable', detail: 'The cloud cannot store anything now.' };
    const hung = { code: 'phone-silent', detail: 'It takes connections but does not answer.' };
    let troubles: { home?: typeof full; phone?: typeof hung } = {};
    const page = await stage.page();
    await page.clock.install();
    await page.route('**/v1/homes/home', async (route) => {
      const response = await route.fetch();
      const { phones, ...rest } = await response.json();
      const marked = phones.map((phone: object) => ({ ...phone, trouble: troubles.phone }));
      await route.fulfill({ response, json: { ...rest, trouble: troubles.home, phones: marked } });
    });
    await page.goto(await stage.host.signInLink());
    await page.getByRole('link', { name: /Here I am/ }).click();
    await page.getByRole('textbox', { name: 'Message' }).waitFor();
    const bar = page.locator('.status-bar');
    expect(await bar.textContent()).toBe('');
    // Nothing is stored that an event could tell of: the page looks by itself.
    troubles = { home: full, phone: hung };
    await page.clock.runFor(9_000);
    await bar.getByText(full.detail).waitFor();
    await page.locator('.composer').getByText(hung.detail).waitFor();
    await page.getByRole('link', { name: 'Home', exact: true }).click();
    await page.getByRole('alert').getByText(full.detail).waitFor();
    await page.getByRole('listitem').filter({ hasText: 'Hall phone' }).getByText(hung.detail).waitFor();
    troubles = { phone: hung };
    await page.clock.runFor(9_000);
    await bar.getByText(`Hall phone: ${hung.detail}`).waitFor();
    troubles = {};
    await page.clock.runFor(9_000);
    await expect.poll(() => page.getByText(hung.detail).count(), patiently).toBe(0);
    expect(await bar.textContent()).toBe('');
  });

  test('an agent’s token is shown once, opens the tunnel, and is revoked for good', async () => {
    const page = await stage.signedIn();
    await page.goto(`${stage.url}/#/home`);
    await page.getByPlaceholder('Where it runs').fill('Attic');
    await page.getByRole('button', { name: 'Create' }).first().click();
    const secret = (await page.locator('.secret-text').textContent()) ?? '';
    expect(secret).toMatch(/^hl_/);
    await page.getByRole('button', { name: 'I have it' }).click();
    await expect.poll(() => page.content(), patiently).not.toContain(secret);
    const line = page.getByRole('listitem').filter({ hasText: 'Attic' });
    await line.getByRole('button', { name: 'Revoke' }).click();
    await line.getByRole('button', { name: 'Revoke for good' }).click();
    await expect.poll(() => line.count(), patiently).toBe(0);
  });

  test('an API token has the rights that were ticked and no others', async () => {
    const page = await stage.signedIn();
    await page.goto(`${stage.url}/#/home`);
    await page.getByPlaceholder('What it is for').fill('Doorbell');
    await page.getByLabel('Send messages').uncheck();
    await page.getByLabel('See sessions').check();
    await page.getByRole('button', { name: 'Create' }).last().click();
    const secret = (await page.locator('.secret-text').textContent()) ?? '';
    const ask = (path: string, method = 'GET') =>
      fetch(`${stage.url}/v1/homes/home${path}`, {
        method,
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
        ...(method === 'POST' ? { body: '{"messageClass":"SMS","to":["+39"],"body":"x"}' } : {}),
      }).then((answer) => answer.status);
    expect(await ask('/messages')).toBe(200);
    expect(await ask('/sessions')).toBe(200);
    expect(await ask('/messages', 'POST')).toBe(403);
  });
});
