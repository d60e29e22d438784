// What a phone no longer has, what was cut, and the settings by which messages are kept, as the household sees them.
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { cutInWords } from '../../cloud/dashboard/text/cut-fields.ts';
import type { Home } from '../../protocol/model.ts';
import type { ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, ownerToken, patiently, Stage } from './stage.ts';

test('what was cut is said in words', () => {
  expect(cutInWords({ fields: ['body'] }, true)).toBe(
    'Only a part is here: the text was too long. The phone has the whole message.',
  );
  expect(cutInWords({ fields: ['subject', 'to', 'body'] }, false)).toBe(
    'Only a part is here: the subject, the list of recipients and the text were too long.',
  );
});

describe.skipIf(browserIsMissing())('the archive', () => {
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
    page = await stage.signedIn();
  });
  afterAll(() => stage.close());

  const settings = () => page.getByRole('region', { name: 'Settings' });
  const stored = async (): Promise<Home> => {
    const headers = { authorization: `Bearer ${ownerToken}` };
    return (await fetch(`${stage.url}/v1/homes/home`, { headers })).json() as Promise<Home>;
  };
  const openHome = () => page.getByRole('link', { name: /^Home/ }).first().click();

  test('a message that the phone lost stays, and says so; a cut one says what is missing', async () => {
    await home.receive('Dinner at 8?', { status: 'Read' });
    await home.receive('A very long story', { status: 'Read', truncated: { fields: ['body'] } });
    await page.getByRole('link', { name: /A very long story/ }).click();
    await page.getByText('Only a part is here: the text was too long.').waitFor();
    await home.lose('Dinner at 8?');
    await page.getByText('No longer on the phone').waitFor();
    expect(await page.getByText('Dinner at 8?').count()).toBe(1);
    await page.getByText('Dinner at 8?').hover();
    await page.getByRole('button', { name: 'Delete message' }).first().click();
    await page.getByText('Deleting…').waitFor();
  });

  test('the settings say what they do, and ask twice before anything is deleted', async () => {
    await openHome();
    await settings().getByLabel('Name of the home').fill('Lake house');
    await settings().getByLabel('Country of the home, two letters').fill('it');
    await settings().getByRole('button', { name: 'Save' }).click();
    await page.getByRole('heading', { name: 'Lake house' }).waitFor();
    await settings().getByText('Italy').waitFor();
    await settings().getByLabel('Days after which messages are deleted').fill('30');
    await settings().getByRole('button', { name: 'Delete what is older than 30 days' }).click();
    expect(await stored()).toMatchObject({ name: 'Lake house', country: 'IT', keepDays: null });
    await settings().getByRole('button', { name: 'Delete what is older than 30 days for good' }).click();
    await settings().getByText('Messages older than 30 days are deleted.').waitFor();
    expect(await stored()).toMatchObject({ keepDays: 30 });
    await settings().getByRole('button', { name: 'Keep all from now on' }).click();
    await settings().getByText('Messages are kept however old they are.').waitFor();
  });

  test('the household is asked before most of a phone’s messages are deleted here', async () => {
    for (const body of ['one', 'two', 'three']) await home.receive(body, { status: 'Read' });
    await openHome();
    await settings().getByRole('button', { name: 'Delete like the phone' }).click();
    await settings().getByRole('button', { name: 'Delete like the phone for good' }).click();
    await settings().getByText('Messages that a phone deletes are deleted here too.').waitFor();
    for (const body of ['one', 'two', 'three']) await home.lose(body, { confirmed: true });
    const question = page.getByRole('region', { name: 'Questions' });
    // One went with the phone; the second would have been more than half of what it had.
    await question.getByText('Hall phone no longer has 2 of its 2 messages.').waitFor();
    await question.getByRole('button', { name: 'Keep them' }).click();
    await expect.poll(() => question.count(), patiently).toBe(0);
    expect(await stored()).toMatchObject({ keep: 'like-the-phone', questions: [] });
  });
});
