import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { refusal, type ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

describe.skipIf(browserIsMissing())('sending messages', () => {
  let stage: Stage;
  let home: ScriptedHome;
  let page: Page;
  beforeAll(async () => {
    stage = await Stage.open();
  });
  beforeEach(async () => {
    await stage.reset();
    home = await stage.home();
    await home.start();
    await home.receive('Dinner at 8?', { status: 'Read' });
    page = await stage.signedIn();
    await page.getByRole('link', { name: /Nonna/ }).click();
    await page.getByRole('log').getByText('Dinner at 8?').waitFor();
  });
  afterAll(() => stage.close());

  const field = () => page.getByRole('textbox', { name: 'Message', exact: true });
  const own = () => page.getByRole('log').locator('.line[data-side=own]');
  const sent = () => home.calls.filter((call) => call.action === 'SendMessage');

  test('Enter sends, Shift+Enter begins a new line', async () => {
    await field().fill('Yes');
    await field().press('Shift+Enter');
    await field().pressSequentially('gladly');
    await field().press('Enter');
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(sent()).toHaveLength(1);
    expect(sent()[0]?.given.MessageToSend).toMatchObject({ body: 'Yes\ngladly', messageClass: 'SMS' });
    expect(await field().inputValue()).toBe('');
  });

  test('the bubble is there before the phone answers, and never twice', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    home.does.SendMessage = async () => {
      await promise;
      return { results: { MessageID: 'late' } };
    };
    let most = 0;
    await page.exposeFunction('reportBubbles', (count: number) => {
      most = Math.max(most, count);
    });
    await page.evaluate(() => {
      const report = (window as unknown as { reportBubbles(count: number): void }).reportBubbles;
      const count = () => report(document.querySelectorAll('.line[data-side=own]').length);
      new MutationObserver(count).observe(document.body, { childList: true, subtree: true, attributes: true });
    });
    await field().fill('On my way');
    await field().press('Enter');
    await own().getByText('Sending…').waitFor();
    resolve();
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(await own().count()).toBe(1);
    expect(most).toBe(1);
  });

  test('what the phone refuses stands as failed with its reason, and can be written again', async () => {
    home.does.SendMessage = () => refusal(706, 'Recipient not valid');
    await field().fill('Hello?');
    await field().press('Enter');
    await own().getByText('Not sent.').waitFor();
    expect(await own().textContent()).toContain('706');
    expect(await own().count()).toBe(1);
    await own().getByRole('button', { name: 'Write it again' }).click();
    expect(await field().inputValue()).toBe('Hello?');
  });

  test('while the home is offline a message waits, and goes out when it is back', async () => {
    await home.stop();
    await page.getByText('Home is offline').waitFor();
    await field().fill('For later');
    await field().press('Enter');
    await own().getByText('Queued.').waitFor();
    expect(sent()).toHaveLength(0);
    await home.start();
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(sent()).toHaveLength(1);
    await expect.poll(() => page.getByText('Home is offline').count(), patiently).toBe(0);
  });

  test('a message that waits says since when and for how long, by the clock here, and can be taken back', async () => {
    await home.stop();
    await page.getByText('Home is offline').waitFor();
    await page.getByLabel('Hold it').selectOption('for 4 hours');
    await field().fill('Perhaps');
    await field().press('Enter');
    const state = own().getByText('Queued.');
    await state.waitFor();
    const words = /The home is offline since \d\d:\d\d; the message is held until (tomorrow, )?\d\d:\d\d\. Cancel it/;
    expect(await state.textContent()).toMatch(words);
    await own().getByRole('button', { name: 'Cancel it' }).click();
    await expect.poll(() => own().count(), patiently).toBe(0);
    expect(await field().inputValue()).toBe('Perhaps');
    await home.start();
    await field().fill('Certainly');
    await field().press('Enter');
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(sent().map((call) => (call.given.MessageToSend as { body: string }).body)).toEqual(['Certainly']);
  });

  test('a message that went out in the meantime is not taken back, and that is said', async () => {
    await home.stop();
    await page.getByText('Home is offline').waitFor();
    await field().fill('Too late');
    await field().press('Enter');
    await own().getByRole('button', { name: 'Cancel it' }).waitFor();
    const { promise, resolve } = Promise.withResolvers<void>();
    home.does.SendMessage = async () => {
      await promise;
      return { results: { MessageID: 'late' } };
    };
    // The press comes before the page has heard of it.
    await page.route('**/messages/m_*', async (route) => {
      await home.start();
      await expect.poll(() => sent().length, patiently).toBe(1);
      await route.fallback();
    });
    await own().getByRole('button', { name: 'Cancel it' }).click();
    await page.getByText('It was not cancelled').waitFor();
    resolve();
    await own().getByTitle('Sent', { exact: true }).waitFor();
  });

  test('a send whose answer was lost is sent again only by somebody who was told what that means', async () => {
    const failure = { code: 'outcome-unknown', detail: 'The phone took it and did not answer.' };
    home.does.SendMessage = () => ({ failure });
    await field().fill('Are you there?');
    await field().press('Enter');
    await own().getByRole('button', { name: 'Send again…' }).click();
    await own().getByText('it arrives twice').waitFor();
    await own().getByRole('button', { name: 'Leave it' }).click();
    expect(sent()).toHaveLength(1);
    delete home.does.SendMessage;
    await own().getByRole('button', { name: 'Send again…' }).click();
    await own().getByRole('button', { name: 'Send it again' }).click();
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(await own().count()).toBe(2);
    expect(sent()).toHaveLength(2);
    expect(sent()[1]?.given.MessageToSend).toMatchObject({ body: 'Are you there?', to: [{ address: '+390110001' }] });
  });

  test('a send whose answer was lost is shown as uncertain, with what to do', async () => {
    const failure = { code: 'outcome-unknown', detail: 'The phone took it and did not answer.' };
    home.does.SendMessage = () => ({ failure });
    await field().fill('Are you there?');
    await field().press('Enter');
    await own().getByText('It may or may not have been sent').waitFor();
    expect(await own().textContent()).toContain('before you send it again');
    expect(await own().count()).toBe(1);
    expect(sent()).toHaveLength(1);
  });

  test('a request that the network swallows is sent again under the same key', async () => {
    const keys: (string | undefined)[] = [];
    await page.route('**/v1/homes/home/messages', async (route) => {
      if (route.request().method() !== 'POST') return route.fallback();
      keys.push(route.request().headers()['idempotency-key']);
      // The first reaches the cloud, but its answer does not come back.
      if (keys.length > 1) return route.fallback();
      await route.fetch();
      return route.abort('connectionreset');
    });
    await field().fill('Only once');
    await field().press('Enter');
    await expect.poll(() => keys.length, patiently).toBe(2);
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(keys[1]).toBe(keys[0]);
    expect(sent()).toHaveLength(1);
    expect(await own().count()).toBe(1);
  });

  test('the counter tells how many short messages the text becomes, and the phone’s limit holds', async () => {
    await field().fill('a'.repeat(161));
    await page.getByText('2 messages · 145 left').waitFor();
    await field().fill('Ω í');
    await page.getByText('1 message · 67 left · Unicode').waitFor();
    await field().fill('a'.repeat(460));
    await page.getByRole('alert').getByText('Too long: this phone takes 459').waitFor();
    await field().press('Enter');
    expect(await own().count()).toBe(0);
  });

  test('only what the phone can send is offered, and an e-mail has a subject', async () => {
    const choice = page.getByLabel('Send as');
    expect(await choice.locator('option').allTextContents()).toEqual(['SMS', 'e-Mail']);
    await choice.selectOption('e-Mail');
    await page.getByLabel('Subject').fill('Sunday');
    await field().fill('Shall we meet?');
    await field().press('Enter');
    await own().getByTitle('Sent', { exact: true }).waitFor();
    expect(sent()[0]?.given.MessageToSend).toMatchObject({ subject: 'Sunday', messageClass: 'e-Mail' });
  });

  test('with several phones, an answer leaves by the one that was written to unless another is chosen', async () => {
    await home.stop();
    await home.start({ names: ['Hall phone', 'Attic phone'] });
    const from = page.getByLabel('From');
    await from.waitFor();
    await field().fill('By the hall');
    await field().press('Enter');
    await own().getByTitle('Sent', { exact: true }).waitFor();
    await from.selectOption('Attic phone');
    await field().fill('By the attic');
    await field().press('Enter');
    await expect.poll(() => sent().map((call) => call.phone), patiently).toEqual(['Hall phone', 'Attic phone']);
  });

  test('a new conversation begins with its recipients', async () => {
    await page.getByRole('link', { name: 'New message' }).click();
    await page.getByLabel('To', { exact: true }).fill('+39 011 000-4, +39 011 000-5');
    await field().fill('Hello both');
    await field().press('Enter');
    await own().getByTitle('Sent', { exact: true }).waitFor();
    await page.getByRole('link', { name: /\+390110004, \+390110005/ }).waitFor();
    expect(sent()[0]?.given.MessageToSend).toMatchObject({
      to: [{ address: '+390110004' }, { address: '+390110005' }],
    });
  });

  test('a text that was begun is still there after looking elsewhere', async () => {
    await field().fill('Half a thought');
    await page.getByRole('link', { name: 'Sessions' }).click();
    await page.getByRole('link', { name: 'Messages' }).click();
    await page.getByRole('link', { name: /Nonna/ }).click();
    expect(await field().inputValue()).toBe('Half a thought');
  });
});
