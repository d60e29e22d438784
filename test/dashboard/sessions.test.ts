import type { Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { FileInfo, PhoneSession } from '../../protocol/phone-model.ts';
import { newUlid } from '../../shared/ulid.ts';
import { refusal, type ScriptedHome } from './scripted-home.ts';
import { browserIsMissing, patiently, Stage } from './stage.ts';

const invitation: PhoneSession = {
  sessionId: 's-4',
  sessionClass: 'Chat',
  status: 'Pending',
  subject: 'Plumber',
  contentTypes: ['text/plain'],
  initiator: { address: 'xmpp:ada@example.org', displayName: 'Ada' },
  recipients: [{ address: 'xmpp:ada@example.org', displayName: 'Ada', state: 'joined' }],
  updatedAt: '2026-11-22T12:00:00.000Z',
};

describe.skipIf(browserIsMissing())('sessions', () => {
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
    await page.getByRole('link', { name: 'Sessions' }).click();
  });
  afterAll(() => stage.close());

  const open = () => page.getByRole('link', { name: /Plumber/ }).click();
  /** The phone moves the session on, as it does after an action. */
  const become = (change: Partial<PhoneSession>) => {
    const known = home.sessions.get('s-4');
    if (known === undefined) throw new Error('There is no session yet.');
    known.session = { ...known.session, ...change, updatedAt: new Date().toISOString() };
    return { results: {} };
  };

  test('an invitation appears by itself, is accepted, and is then a chat that runs', async () => {
    await page.getByRole('heading', { name: 'No sessions' }).waitFor();
    await home.putSession(invitation);
    await page.getByRole('heading', { name: 'Pending' }).waitFor();
    await open();
    home.does.AcceptSession = () => become({ status: 'Running' });
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.getByRole('heading', { name: 'Running' }).waitFor();

    await home.receive('I can be there at 4', {
      sessionId: 's-4',
      messageClass: 'Instant Message',
      from: { address: 'xmpp:ada@example.org', displayName: 'Ada' },
    });
    await page.getByRole('log').getByText('I can be there at 4').waitFor();
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Perfect');
    await page.keyboard.press('Enter');
    await page.getByRole('log').locator('.line[data-side=own]').getByTitle('Sent', { exact: true }).waitFor();
    const sent = home.calls.filter((call) => call.action === 'SendMessage');
    expect(sent).toHaveLength(1);
    expect(sent[0]?.given.MessageToSend).toMatchObject({ sessionId: 's-4', body: 'Perfect' });
  });

  test('a session that comes while the list is on its way is not lost', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    let asked = 0;
    const url = page.url();
    // What the page still reads now does not count.
    await page.goto('about:blank');
    await page.route('**/sessions?*', async (route) => {
      const response = await route.fetch();
      asked += 1;
      // It is read at the start, and once more when the live connection stands: the second is the slow one.
      if (asked > 1) await promise;
      await route.fulfill({ response });
    });
    await page.goto(url);
    await expect.poll(() => asked, patiently).toBe(2);
    await home.putSession(invitation);
    await page.getByRole('link', { name: /Plumber/ }).waitFor();
    const answered = page.waitForResponse(/\/sessions\?/);
    resolve();
    await (await answered).finished();
    await open();
    await page.getByRole('main').getByRole('heading', { name: 'Plumber' }).waitFor();
  });

  test('people are added and removed', async () => {
    await home.putSession({ ...invitation, status: 'Running' });
    await open();
    await page.getByText('1 person').click();
    const bruno = { address: '+390110003', state: 'invited' as const };
    home.does.ModifySession = () => become({ recipients: [...invitation.recipients, bruno] });
    await page.getByLabel('Add people').fill('+390110003');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByText('2 people').waitFor();
    home.does.ModifySession = () => become({ recipients: invitation.recipients });
    await page.getByRole('button', { name: 'Remove +390110003' }).click();
    await page.getByText('1 person').waitFor();
    const [added, removed] = home.calls.filter((call) => call.action === 'ModifySession');
    expect(added?.given.SessionRecipientsToAdd).toEqual([{ address: '+390110003' }]);
    expect(removed?.given.SessionRecipientsToRemove).toEqual([{ address: '+390110003' }]);
  });

  test.each([
    ['Join', 'JoinSession'],
    ['Leave', 'LeaveSession'],
    ['Close', 'CloseSession'],
  ] as const)('“%s” asks the phone for %s', async (words, action) => {
    await home.putSession({ ...invitation, status: 'Running' });
    await open();
    await page.getByRole('button', { name: words, exact: true }).click();
    const calls = () => home.calls.filter((call) => call.action === action);
    await expect.poll(() => calls().length, patiently).toBe(1);
    expect(calls()[0]?.given).toEqual({ SessionID: 's-4' });
  });

  test('only what is of use is offered, once the phone has told its own addresses', async () => {
    home.does.GetTelephonyIdentity = () => ({ results: { TelephonyIdentity: [{ address: '+390119999' }] } });
    const us = { address: '+390119999', state: 'joined' as const };
    await home.putSession({ ...invitation, status: 'Running', recipients: [...invitation.recipients, us] });
    await open();
    await expect
      .poll(() => page.locator('.detail-actions button').allTextContents(), patiently)
      .toEqual(['Leave', 'Close']);
    await page.getByText('2 people').click();
    await page.getByText('this home · joined').waitFor();
  });

  test('files are shown with how far they have come, and are cancelled', async () => {
    const file: FileInfo = {
      fileId: 'f-1',
      sessionId: 's-4',
      name: 'plan.pdf',
      contentType: 'application/pdf',
      sizeBytes: 4000,
      url: 'http://192.0.2.20/plan.pdf',
      direction: 'receive',
      status: 'pending',
      transferredBytes: 0,
    };
    let files = [file];
    home.does.GetFileTransferSession = () => ({ results: { FileInfoList: files } });
    await home.putSession({ ...invitation, sessionClass: 'File-Transfer', status: 'Running' });
    await open();
    const list = page.getByRole('region', { name: 'Files' });
    await list.getByText(/plan\.pdf.*from them · 4 kB/).waitFor();
    await list.getByText('Waiting').waitFor();
    await home.progress({ ...file, status: 'transferring', transferredBytes: 1000 });
    await list.getByText('25 %').waitFor();
    expect(await list.getByRole('progressbar').getAttribute('value')).toBe('1000');
    home.does.CancelFileTransfer = () => {
      files = [{ ...file, status: 'cancelled', transferredBytes: 1000 }];
      return { results: {} };
    };
    await list.getByRole('button', { name: 'Cancel the transfer' }).click();
    await list.getByText('Cancelled').waitFor();
    expect(await list.getByRole('button').count()).toBe(0);
    expect(home.calls.find((call) => call.action === 'CancelFileTransfer')?.given).toEqual({ SessionID: 's-4' });
  });

  test('what the phone refuses is told with its reason', async () => {
    await home.putSession(invitation);
    await open();
    home.does.AcceptSession = () => refusal(703, 'Not in a state for this action');
    await page.getByRole('button', { name: 'Accept' }).click();
    await page.getByText('“Accept” did not work').waitFor();
    await page.getByText(/703.*Not in a state for this action/).waitFor();
  });

  test('a session is begun and opened', async () => {
    home.does.CreateSession = ({ SessionClass, SessionRecipients, Subject }) => {
      expect({ SessionClass, SessionRecipients, Subject }).toEqual({
        SessionClass: 'Chat',
        SessionRecipients: [{ address: 'xmpp:ada@example.org' }],
        Subject: 'Holidays',
      });
      const id = `s_${newUlid(Date.now())}`;
      home.sessions.set('s-9', { id, session: { ...invitation, sessionId: 's-9', subject: 'Holidays' } });
      return { results: { SessionID: 's-9' }, made: id };
    };
    await page.getByRole('link', { name: 'New session' }).click();
    await page.getByLabel('People').fill('xmpp:ada@example.org');
    await page.getByLabel('Subject').fill('Holidays');
    await page.getByRole('button', { name: 'Begin' }).click();
    await page.getByRole('main').getByRole('heading', { name: 'Holidays' }).waitFor();
  });

  test('a session that is not here says so', async () => {
    await page.goto(`${stage.url}/#/sessions/s_nothing`);
    await page.getByText('no such session').first().waitFor();
  });
});
