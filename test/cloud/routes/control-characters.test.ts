// A line break in an address, a subject or a name is refused with its place: behind it, a mail line reads a header.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RunningCloud } from '../hosts/running-cloud.ts';

const cloud = new RunningCloud();
const home = '/v1/homes/home';

beforeAll(async () => {
  await cloud.start();
  await cloud.homeWithPhone({ SendMessage: () => ({ arguments: { MessageID: 'm-1' } }) });
});
afterAll(() => cloud.stop());

/** CR, LF, both, TAB, ESC, DEL, NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR, NUL. */
const controls = ['\r', '\n', '\r\n', '\t', '\u001b', '\u007f', '\u0085', '\u2028', '\u2029', '\0'];
const mail = { messageClass: 'e-Mail', to: ['ada@example.org'], body: 'one\ntwo' };
const chat = { sessionClass: 'Chat', recipients: ['ada@example.org'] };

const places: [at: string, path: string, body: (text: string) => object][] = [
  ['body.to.0', `${home}/messages`, (text) => ({ ...mail, to: [text] })],
  ['body.to.0.address', `${home}/messages`, (address) => ({ ...mail, to: [{ address }] })],
  [
    'body.to.0.displayName',
    `${home}/messages`,
    (displayName) => ({ ...mail, to: [{ address: 'a@b.c', displayName }] }),
  ],
  ['body.subject', `${home}/messages`, (subject) => ({ ...mail, subject })],
  ['body.contentType', `${home}/messages`, (contentType) => ({ ...mail, contentType })],
  [
    'body.attachments.0.name',
    `${home}/messages`,
    (name) => ({ ...mail, attachments: [{ name, contentType: 'text/plain', sizeBytes: 1 }] }),
  ],
  ['body.recipients.0', `${home}/sessions`, (text) => ({ ...chat, recipients: [text] })],
  ['body.subject', `${home}/sessions`, (subject) => ({ ...chat, subject })],
  ['body.contentTypes.0', `${home}/sessions`, (type) => ({ ...chat, contentTypes: [type] })],
  ['body.name', '/v1/tokens', (name) => ({ name, scopes: ['messages:read'] })],
  ['body.name', `${home}/agents`, (name) => ({ name })],
];

it.each(places)('refuses every control character at %s of POST %s', async (at, path, body) => {
  for (const control of controls) {
    for (const text of [`ada${control}Bcc: eve@example.org`, `ada@example.org${control}`]) {
      const answer = await cloud.post(path, body(text));
      expect([answer.status, answer.body.code], JSON.stringify(text)).toEqual([400, 'invalid-request']);
      expect(answer.body.issues.map((issue: { at: string }) => issue.at)).toContain(at);
    }
  }
});

it('refuses a line break in the name of a home', async () => {
  const answer = await cloud.request('PATCH', home, { name: 'Home\r\nX: y' });
  expect([answer.status, answer.body.issues[0].at]).toEqual([400, 'body.name']);
});

it('lets the text of a message have as many lines as it likes', async () => {
  const answer = await cloud.post(`${home}/messages`, { ...mail, body: 'one\r\n\ttwo\u2028three', ifOffline: 'queue' });
  expect(answer.status).toBeLessThan(300);
});
