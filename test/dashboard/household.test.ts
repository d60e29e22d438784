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
