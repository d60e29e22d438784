// The phone's page on loopback, and its access rules.
import { readFileSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { say } from '../../../edge-agent/phone/say.ts';
import { nonna, type PhoneUnderTest, startPhone } from './phone-under-test.ts';

let home: PhoneUnderTest;
let token: string;
beforeEach(async () => {
  home = await startPhone();
  token = JSON.parse(readFileSync(join(home.dataFolder, 'control.json'), 'utf8')).token;
});
afterEach(() => home.stop());

function get(authorization?: string): Promise<Response> {
  return fetch(home.phone.pageUrl, authorization === undefined ? {} : { headers: { authorization } });
}

const basic = (name: string, password: string) => `Basic ${btoa(`${name}:${password}`)}`;

function post(form: Record<string, string>, headers: Record<string, string> = {}): Promise<Response> {
  const body = new URLSearchParams(form);
  return fetch(new URL('/happen', home.phone.pageUrl), { method: 'POST', body, headers, redirect: 'manual' });
}

describe('the page', () => {
  it('shows messages and sessions with foreign text escaped', async () => {
    await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: '<script>alert(1)</script>' });
    await home.line.events.offered({ sessionClass: 'Chat', initiator: nonna, subject: '"><img>' });
    const answer = await get(basic('anybody', token));
    const html = await answer.text();
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
    expect(html).toContain('&quot;&gt;&lt;img&gt;');
    expect(html).not.toContain('<script');
    expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'");
  });

  it('requires the token, also from other users of this machine', async () => {
    await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Dinner at 8?' });
    const refused = ['', basic('x', ''), basic('', 'x'), basic(token, ''), 'Bearer x', `Basic ${token}`, token];
    for (const authorization of [undefined, ...refused]) {
      const answer = await get(authorization);
      expect([authorization, answer.status]).toEqual([authorization, 401]);
      expect(answer.headers.get('www-authenticate')).toContain('Basic realm="Phone page');
      const text = await answer.text();
      expect(text).toContain(join(home.dataFolder, 'control.json'));
      expect(text).not.toContain(token);
      expect(text).not.toContain('Dinner');
    }
    expect(await (await get(basic('', token))).text()).toContain('Dinner at 8?');
  });

  it('refuses a host name that resolves to loopback (DNS rebinding)', async () => {
    const status = await new Promise((resolve) => {
      const get = request(home.phone.pageUrl, { headers: { Host: 'rebind.example' } });
      get.on('response', (response) => resolve(response.resume().statusCode));
      get.end();
    });
    expect(status).toBe(421);
  });

  it('marks no message as read', async () => {
    await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'Hello' });
    expect((await get(`Bearer ${token}`)).status).toBe(200);
    expect(await home.control.messages()).toMatchObject([{ status: 'Unread' }]);
  });
});

describe('its form', () => {
  it('simulates a message, a chat offer and a call', async () => {
    const from = 'xmpp:ada@chat.example';
    expect((await post({ token, what: 'message', from, text: 'Hi', subject: '' })).status).toBe(303);
    expect((await post({ token, what: 'chat', from })).status).toBe(303);
    expect((await post({ token, what: 'ring', from: nonna.address })).status).toBe(303);
    expect(await home.control.messages()).toMatchObject([
      { messageClass: 'Instant Message', from: { address: from, displayName: 'Ada' }, body: 'Hi' },
      { messageClass: 'SMS', from: nonna, body: 'Missed call from Nonna' },
    ]);
    expect(await home.control.sessions()).toMatchObject([{ status: 'Pending', initiator: { address: from } }]);
  });

  it.each([
    ['without the secret', {}, {}, 403],
    ['with a wrong secret', { token: 'x'.repeat(32) }, {}, 403],
    ['without a sender', { right: '', from: ' ' }, {}, 400],
    ['for something unknown', { right: '', what: 'explode' }, {}, 400],
    ['from another page', { right: '' }, { Origin: 'http://evil.example' }, 403],
    ['with a text that is too long', { right: '', text: 'x'.repeat(300_000) }, {}, 400],
    ['with a body without end', { right: '', text: 'x'.repeat(2_000_000) }, {}, 413],
  ] as [string, Record<string, string>, Record<string, string>, number][])(
    'refuses to %s',
    async (_, form, headers, status) => {
      const { right, ...rest } = form;
      const answer = await post({ from: '+1', text: 'x', ...(right === '' && { token }), ...rest }, headers);
      expect(answer.status).toBe(status);
      expect(await home.control.messages()).toEqual([]);
    },
  );
});

describe('say', () => {
  it('delivers a message to the running phone', async () => {
    const id = await say(home.dataFolder, '+390110001', 'Dinner at 8?');
    expect(await home.control.messages()).toMatchObject([{ messageId: id, from: nonna, body: 'Dinner at 8?' }]);
  });

  it('uses a file that only its owner can read and that is removed on stop', async () => {
    expect(statSync(join(home.dataFolder, 'control.json')).mode & 0o777).toBe(0o600);
    await home.phone.stop();
    await expect(say(home.dataFolder, '+1', 'x')).rejects.toThrow('No phone runs');
  });
});
