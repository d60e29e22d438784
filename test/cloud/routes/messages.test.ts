// The rows of the REST contract about messages, against the Node host with a scripted agent.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EdgeEvent } from '../../../protocol/frames.ts';
import type { Phone } from '../../../protocol/model.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { messageId, phoneMessage, phoneSession, sessionId } from '../../contract/messages.ts';
import { RunningCloud } from '../hosts/running-cloud.ts';
import type { Call, ScriptedAgent } from '../hosts/scripted-agent.ts';

const cloud = new RunningCloud();
const messages = '/v1/homes/home/messages';
let agent: ScriptedAgent;
let phone: Phone;
let count = 0;

beforeAll(async () => {
  await cloud.start();
  ({ agent, phone } = await cloud.homeWithPhone());
});
afterAll(() => cloud.stop());
beforeEach(() => {
  for (const action of Object.keys(agent.script)) delete agent.script[action as keyof typeof agent.script];
});

function put(message: Partial<PhoneMessage> = {}, more: { sessionKey?: string } = {}): EdgeEvent & { id: string } {
  const n = ++count;
  return {
    type: 'message.put',
    udn: phone.udn,
    epoch: 0,
    id: messageId(n),
    message: phoneMessage({ messageId: `phone-${n}`, ...message }),
    fingerprint: `f${n}`,
    ...more,
  };
}

const draft = { messageClass: 'SMS', to: ['+390110001'], body: 'On my way' };

describe('GET /messages (SearchMessages)', () => {
  it('answers newest first by pages, from the store', async () => {
    const events = [put({ body: 'one' }), put({ body: 'two' }), put({ body: 'three' })];
    await agent.deliver(...events);
    const first = await cloud.get(`${messages}?limit=2`);
    expect(first.body.items.map((message: { body: string }) => message.body)).toEqual(['three', 'two']);
    const second = await cloud.get(`${messages}?limit=2&cursor=${encodeURIComponent(first.body.next)}`);
    expect(second.body.items[0]).toEqual({
      id: events[0]?.id,
      messageId: 'phone-1',
      home: 'home',
      phone: phone.id,
      messageClass: 'SMS',
      folder: 'Received',
      status: 'Unread',
      sessionId: null,
      from: { address: '+390110001', displayName: 'Nonna' },
      to: [{ address: '+390119999' }],
      subject: null,
      body: 'one',
      contentType: 'text/plain',
      attachments: [],
      time: '2026-11-22T11:00:00.000Z',
      state: 'received',
      onPhone: true,
    });
  });

  it.each([
    ['class', 'MMS', { messageClass: 'MMS' }],
    ['folder', 'Deleted', { folder: 'Deleted' }],
    ['status', 'Read', { status: 'Read' }],
    ['from', '+15550100', { from: { address: '+15550100' } }],
    ['q', 'zucchini', { body: 'six zucchini, please' }],
  ] as const)('filters by %s', async (filter, value, message) => {
    const event = put(message as Partial<PhoneMessage>);
    await agent.deliver(event);
    const found = await cloud.get(`${messages}?${filter}=${encodeURIComponent(value)}`);
    expect(found.body.items.map((item: { id: string }) => item.id)).toEqual([event.id]);
  });

  it('filters by session, by phone and by conversation', async () => {
    const inSession = put({ sessionId: 'chat' }, { sessionKey: sessionId(1) });
    await agent.deliver(inSession);
    const ids = async (query: string) =>
      (await cloud.get(`${messages}?${query}`)).body.items.map((item: { id: string }) => item.id);
    expect(await ids(`session=${sessionId(1)}`)).toEqual([inSession.id]);
    expect(await ids(`conversation=${sessionId(1)}`)).toEqual([inSession.id]);
    expect(await ids('phone=p_other')).toEqual([]);
    expect((await ids(`phone=${phone.id}`)).length).toBeGreaterThan(0);
  });

  it('takes ANY and the empty word for no filter, and names the allowed words for any other', async () => {
    const all = (await cloud.get(messages)).body.items.length;
    expect((await cloud.get(`${messages}?class=ANY&folder=&status=ANY&session=`)).body.items).toHaveLength(all);
    const wrong = await cloud.get(`${messages}?class=Fax`);
    expect(wrong.status).toBe(400);
    expect(wrong.body.issues[0]).toMatchObject({ at: 'query.class', message: expect.stringContaining('SMS') });
  });

  it('refuses a cursor of another filter, and limits over 200', async () => {
    const { next } = (await cloud.get(`${messages}?limit=1`)).body;
    expect((await cloud.get(`${messages}?limit=1&status=Read&cursor=${encodeURIComponent(next)}`)).status).toBe(400);
    expect((await cloud.get(`${messages}?limit=201`)).status).toBe(400);
    expect((await cloud.get(`${messages}?q=%00`)).status).toBe(400);
  });
});

describe('GET /messages/new (GetNewMessages)', () => {
  it('names what the phone calls new by the ids of the cloud where it knows them', async () => {
    const event = put();
    await agent.deliver(event);
    const known = { messageId: `phone-${count}`, messageClass: 'SMS' };
    const unknown = { messageId: 'never-seen', messageClass: 'MMS' };
    agent.script.GetNewMessages = () => ({ arguments: { NewMessages: [known, unknown] } });
    const answer = await cloud.get(`${messages}/new`);
    expect(answer.body.items).toEqual([
      { ...known, id: event.id, phone: phone.id, session: null },
      { ...unknown, id: null, phone: phone.id, session: null },
    ]);
  });
});

describe('GET /messages/{id}', () => {
  it('looks without marking read and without asking the phone', async () => {
    const event = put();
    await agent.deliver(event);
    expect((await cloud.get(`${messages}/${event.id}`)).body).toMatchObject({ id: event.id, status: 'Unread' });
    expect((await cloud.get(`${messages}/m_00000000000000000000009999`)).body.code).toBe('not-found');
  });
});

describe('GET /messages/{id}/trace', () => {
  it('tells the whole way in one page, with the end that every list has', async () => {
    const event = put({ time: '2026-11-22T12:00:00.000Z' });
    await agent.deliver(event);
    const { body } = await cloud.get(`${messages}/${event.id}/trace`);
    expect(body).toEqual({
      items: ['phone', 'agent', 'tunnel'].map((hop) => ({ hop, time: expect.any(String) })),
      next: null,
    });
  });
});

describe('POST /messages/{id}/read (ReadMessage)', () => {
  it('marks it read at the phone and answers it with its body', async () => {
    const event = put({ body: '', bodyOmitted: true });
    await agent.deliver(event);
    expect((await cloud.get(`${messages}/${event.id}`)).body.body).toBeNull();
    const asked: Call[] = [];
    agent.script.ReadMessage = (call) => {
      asked.push(call);
      return { arguments: { MessageRequested: phoneMessage({ body: 'the whole of it', status: 'Read' }) } };
    };
    const read = await cloud.post(`${messages}/${event.id}/read`);
    expect(read.body).toMatchObject({ id: event.id, status: 'Read', body: 'the whole of it' });
    expect(asked[0]).toMatchObject({ udn: phone.udn, form: 'model', arguments: { MessageID: `phone-${count}` } });
    expect((await cloud.get(`${messages}/${event.id}`)).body.status).toBe('Read');
  });

  it('passes on what the phone said when it refused', async () => {
    const event = put();
    await agent.deliver(event);
    agent.script.ReadMessage = () => ({ code: 'phone-refused', upnpCode: 740, upnpDescription: 'Storage locked' });
    const answer = await cloud.post(`${messages}/${event.id}/read`);
    expect(answer.status).toBe(422);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
    expect(answer.body).toMatchObject({
      code: 'phone-refused',
      title: 'The phone refused',
      status: 422,
      upnpCode: 740,
      upnpDescription: 'Storage locked',
      type: '/docs/errors/phone-refused',
      requestId: answer.headers.get('x-request-id'),
    });
  });

  it('does not believe an answer that is no message', async () => {
    const event = put();
    await agent.deliver(event);
    agent.script.ReadMessage = () => ({ arguments: { MessageRequested: { body: 42 } } });
    const answer = await cloud.post(`${messages}/${event.id}/read`);
    expect([answer.status, answer.body.code]).toEqual([502, 'phone-malformed']);
    expect((await cloud.get(`${messages}/${event.id}`)).body.status).toBe('Unread');
  });
});

describe('DELETE /messages/{id} (DeleteMessage)', () => {
  it('deletes at the phone, then here', async () => {
    const event = put();
    await agent.deliver(event);
    const asked: unknown[] = [];
    agent.script.DeleteMessage = (call) => {
      asked.push(call.arguments);
      return { arguments: {} };
    };
    expect((await cloud.request('DELETE', `${messages}/${event.id}`)).status).toBe(204);
    expect(asked).toEqual([{ MessageID: `phone-${count}` }]);
    expect((await cloud.get(`${messages}/${event.id}`)).status).toBe(404);
  });

  it('keeps what the phone will not delete, and forgets what the phone no longer has', async () => {
    const event = put();
    await agent.deliver(event);
    agent.script.DeleteMessage = () => ({ code: 'phone-unreachable' });
    expect((await cloud.request('DELETE', `${messages}/${event.id}`)).status).toBe(502);
    expect((await cloud.get(`${messages}/${event.id}`)).status).toBe(200);
    agent.script.DeleteMessage = () => ({ code: 'phone-refused', upnpCode: 701, upnpDescription: 'gone' });
    expect((await cloud.request('DELETE', `${messages}/${event.id}`)).status).toBe(204);
  });

  it('deletes a send that never reached a phone without asking one', async () => {
    agent.script.SendMessage = () => ({ code: 'phone-refused', upnpCode: 706, upnpDescription: 'No such number' });
    const { resource } = (await cloud.post(messages, draft)).body;
    expect((await cloud.request('DELETE', `${messages}/${resource}`)).status).toBe(204);
  });
});

describe('POST /messages (SendMessage)', () => {
  it('answers 201 `sent` when the phone took it', async () => {
    const asked: Call[] = [];
    agent.script.SendMessage = (call) => {
      asked.push(call);
      return { arguments: { MessageID: 'sent-1' } };
    };
    const answer = await cloud.post(messages, { ...draft, subject: 'Hello' });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ state: 'sent', messageId: 'sent-1', phone: phone.id, folder: 'Sent' });
    expect(answer.headers.get('location')).toBe(`${messages}/${answer.body.id}`);
    expect(asked).toHaveLength(1);
    expect(asked[0]?.key).toBe(answer.body.id);
    expect(asked[0]?.arguments.MessageToSend).toMatchObject({
      messageClass: 'SMS',
      folder: 'Outgoing',
      to: [{ address: '+390110001' }],
      subject: 'Hello',
      body: 'On my way',
    });
  });

  it('keeps a send that the phone refused as `failed`, with the reason', async () => {
    agent.script.SendMessage = () => ({ code: 'phone-refused', upnpCode: 706, upnpDescription: 'No such number' });
    const answer = await cloud.post(messages, draft);
    expect([answer.status, answer.body.upnpCode]).toEqual([422, 706]);
    const kept = await cloud.get(`${messages}/${answer.body.resource}`);
    expect(kept.body).toMatchObject({ state: 'failed', stateReason: 'The phone refused: 706 No such number' });
  });

  it('shows a lost outcome as `unknown`, and does not try again', async () => {
    let tries = 0;
    agent.script.SendMessage = () => {
      tries++;
      return { code: 'outcome-unknown' };
    };
    const answer = await cloud.post(messages, draft);
    expect([answer.status, answer.body.code]).toEqual([502, 'outcome-unknown']);
    expect((await cloud.get(`${messages}/${answer.body.resource}`)).body.state).toBe('unknown');
    expect(tries).toBe(1);
  });

  it.each([
    ['an unknown class', { ...draft, messageClass: 'Fax' }, 'body.messageClass'],
    ['no recipient', { ...draft, to: [] }, 'body.to'],
    ['a blank recipient', { ...draft, to: [' '] }, 'body.to.0'],
    ['no body', { messageClass: 'SMS', to: ['+1'] }, 'body.body'],
    ['an unknown field', { ...draft, bodi: 'x' }, 'body'],
    ['a deadline that is past', { ...draft, deliverBy: '2020-01-01T00:00:00Z' }, 'body.deliverBy'],
    ['no JSON', '{"messageClass":', 'body'],
    ['a control character', { ...draft, body: 'bell \u0007' }, 'body.body'],
    ['half a surrogate pair', { ...draft, body: 'cut \ud83d' }, 'body.body'],
    ['a NUL in a recipient', { ...draft, to: [{ address: '+1\u0000' }] }, 'body.to.0.address'],
  ])('refuses %s and says where', async (_, body, at) => {
    const answer = await cloud.post(messages, body);
    expect(answer.status).toBe(400);
    expect(answer.body.issues[0].at).toBe(at);
  });

  it.each([
    ['a byte that begins no character', [0xff], 0, '0xFF'],
    ['a character cut off by another', [0xc3, 0x28], 0, '0xC3'],
    ['half a surrogate pair as bytes', [0x61, 0xed, 0xa0, 0xbd], 1, '0xED'],
    ['more bytes than a character needs', [0xc3, 0xa9, 0xc0, 0xaf], 2, '0xC0'],
  ])('refuses %s, and says where', async (_, bytes, offset, byte) => {
    agent.script.SendMessage = () => ({ arguments: { MessageID: 'sent-2' } });
    const [head = '', tail = ''] = JSON.stringify({ ...draft, body: '\ufeff\ufffd😀|' }).split('|');
    const withBytes = new Uint8Array([...Buffer.from(head), ...bytes, ...Buffer.from(tail)]);
    const place = Buffer.byteLength(head) + offset;
    for (const headers of [{}, { 'idempotency-key': crypto.randomUUID() }]) {
      const answer = await cloud.post(messages, withBytes, headers);
      expect([answer.status, answer.body.code]).toEqual([400, 'invalid-request']);
      expect(answer.body.issues).toEqual([
        { at: 'body', message: `is not UTF-8 from byte ${place} on, counted from 0 (${byte})` },
      ]);
      expect((await cloud.post(messages, `${head}${tail}`)).body.body).toBe('\ufeff\ufffd😀');
    }
  });

  it('refuses a body that ends in the middle of a character', async () => {
    const cut = Buffer.from(`${JSON.stringify(draft)}\ufffd`).subarray(0, -1);
    const answer = await cloud.post(messages, new Uint8Array(cut));
    expect(answer.body.detail).toContain(`from byte ${cut.length - 2} on`);
  });

  it('refuses a body that is not told to be JSON, and one over 1 MiB', async () => {
    const form = await cloud.post(messages, 'to=me', { 'content-type': 'application/x-www-form-urlencoded' });
    expect([form.status, form.body.code]).toEqual([415, 'unsupported-media-type']);
    const huge = await cloud.post(messages, { ...draft, body: 'x'.repeat(1024 * 1024) });
    expect([huge.status, huge.body.code]).toEqual([413, 'too-large']);
  });

  it('caps the list of faults, however many there are', async () => {
    const fields = Object.fromEntries(Array.from({ length: 50_000 }, (_, n) => [`field ${n}`, n]));
    const to = Array.from({ length: 200 }, () => '');
    const answer = await cloud.post('/v1/homes/home/messages', { messageClass: 'SMS', to, body: 'x', ...fields });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
    expect(answer.body.issues).toHaveLength(20);
    expect(JSON.stringify(answer.body).length).toBeLessThan(10_000);
  });

  it('needs the phone to be named when several could send, and names them', async () => {
    const approved = await agent.phones(
      { ...phonePresence('uuid:phone-1'), name: 'Kitchen' },
      { ...phonePresence('uuid:phone-2'), name: 'Hall' },
    );
    expect(approved).toEqual(['uuid:phone-1', 'uuid:phone-2']);
    const answer = await cloud.post(messages, draft);
    expect(answer.status).toBe(400);
    expect(answer.body.issues[0].at).toBe('body.phone');
    expect(answer.body.detail).toMatch(/Kitchen.*Hall/);
    agent.script.SendMessage = () => ({ arguments: { MessageID: 'named' } });
    expect((await cloud.post(messages, { ...draft, phone: phone.id })).status).toBe(201);
    await agent.phones({ ...phonePresence('uuid:phone-1'), name: 'Kitchen' });
    expect((await cloud.post(messages, draft)).status).toBe(201);
  });
});

describe('GET /conversations', () => {
  it('groups by correspondents with their last message, and counts what is unread', async () => {
    const other = new RunningCloud();
    await other.start();
    try {
      const { agent, phone } = await other.homeWithPhone();
      const event = (n: number, message: Partial<PhoneMessage>): EdgeEvent => ({
        type: 'message.put',
        udn: phone.udn,
        epoch: 0,
        id: messageId(n),
        message: phoneMessage({ messageId: `c-${n}`, ...message }),
        fingerprint: '',
      });
      await agent.deliver(
        event(1, { body: 'first' }),
        event(2, { body: 'second' }),
        event(3, { from: { address: 'ada' } }),
      );
      const { body } = await other.get('/v1/homes/home/conversations');
      expect(body).toMatchObject({
        items: [
          { key: 'ada', unread: 1, session: null },
          { key: '+390110001', unread: 2, last: { body: 'second' } },
        ],
        next: null,
        unread: 3,
      });
    } finally {
      await other.stop();
    }
  });
});

describe('messages within a session', () => {
  it('GET lists them, POST sends to those who take part', async () => {
    const id = sessionId(7);
    const recipients = [
      { address: 'xmpp:ada', state: 'joined' as const },
      { address: 'xmpp:bob', state: 'left' as const },
    ];
    await agent.deliver({
      type: 'session.put',
      udn: phone.udn,
      epoch: 0,
      id,
      session: phoneSession({ sessionId: 'chat-7', recipients }),
    });
    const asked: Call[] = [];
    agent.script.SendMessage = (call) => {
      asked.push(call);
      return { arguments: { MessageID: 'in-session' } };
    };
    const sent = await cloud.post(`/v1/homes/home/sessions/${id}/messages`, { body: 'Hi' });
    expect(sent.status).toBe(201);
    expect(sent.body).toMatchObject({ sessionId: id, messageClass: 'Instant Message' });
    expect(asked[0]?.arguments.MessageToSend).toMatchObject({ sessionId: 'chat-7', to: [{ address: 'xmpp:ada' }] });
    const listed = await cloud.get(`/v1/homes/home/sessions/${id}/messages`);
    expect(listed.body.items.map((message: { id: string }) => message.id)).toEqual([sent.body.id]);
    expect((await cloud.get(`/v1/homes/home/sessions/${sessionId(404)}/messages`)).status).toBe(404);
  });
});

function phonePresence(udn: string) {
  return { udn, name: '', deviceType: 'urn:phone', address: '10.0.0.2:1', online: true, epoch: 0, trusted: true };
}
