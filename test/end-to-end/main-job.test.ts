// The main job: a phone's messages reach the cloud, and messages from the cloud reach the phone.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { telephonyClient } from '../../edge-agent/phone/phone.ts';
import type { Message, Phone } from '../../protocol/model.ts';
import { Household, type TestPhone } from './household.ts';

describe('a household with one phone', () => {
  let household: Household;
  let phone: TestPhone;
  let seen: Phone;

  beforeAll(async () => {
    household = await Household.open();
    phone = await household.addPhone('Kitchen');
    await household.startAgent();
    seen = await household.phoneOnline('Kitchen');
  });
  afterAll(() => household.close());

  it('finds the phone by SSDP and shows what it is', () => {
    expect(seen).toMatchObject({
      udn: phone.phone.udn,
      deviceType: 'urn:schemas-upnp-org:device:TelephonyServer:2',
      online: true,
      approved: true,
      address: new URL(phone.phone.location).host,
    });
    expect(seen.id).toMatch(/^p_/);
  });

  it('brings an arriving message to SSE, to the lists and to the conversation, unread', async () => {
    const events = await household.events();
    const messageId = await phone.line.receive('+390110001', 'Dinner at 8? <b>&amp;\u00e0\ud83d\ude00');
    const { data } = await events.next('message.received', (event) => event.data.messageId === messageId);
    expect(data).toMatchObject({
      home: 'home',
      phone: seen.id,
      messageClass: 'SMS',
      folder: 'Received',
      status: 'Unread',
      state: 'received',
      from: { address: '+390110001' },
      body: 'Dinner at 8? <b>&amp;\u00e0\ud83d\ude00',
      sessionId: null,
    });
    expect(data.id).toMatch(/^m_/);
    const { recovered: _recovered, ...message } = data;
    const { items } = await household.home('GET', '/messages?from=%2B390110001');
    expect(items).toEqual([message]);
    expect(await household.home('GET', `/messages/${message.id}`)).toEqual(message);
    const conversations = await household.home('GET', '/conversations');
    expect(conversations.items[0]).toMatchObject({ key: '+390110001', unread: 1, last: { id: message.id } });
    const { MessageList } = (
      await household.home('POST', `/phones/${seen.id}/actions/SearchMessages`, {
        arguments: { MessageClass: 'ANY', MessageFolder: 'Received', MessageStatus: 'Unread', SessionID: '' },
      })
    ).arguments;
    expect(MessageList).toContain(messageId);
  });

  it('keeps two messages of the same text from the same sender apart', async () => {
    const events = await household.events();
    const ids = [await phone.line.receive('bank', '1234'), await phone.line.receive('bank', '1234')];
    for (const id of ids) await events.next('message.received', (event) => event.data.messageId === id);
    const { items } = await household.home('GET', '/messages?from=bank');
    expect(items.map((message: Message) => message.messageId).sort()).toEqual([...ids].sort());
  });

  it('marks a message read at the phone only when somebody reads it', async () => {
    const events = await household.events();
    const messageId = await phone.line.receive('+39011', 'read me');
    const { data } = await events.next('message.received', (event) => event.data.messageId === messageId);
    expect(await household.home('GET', `/messages/${data.id}`)).toMatchObject({ status: 'Unread' });
    expect(await household.home('POST', `/messages/${data.id}/read`)).toMatchObject({
      status: 'Read',
      body: 'read me',
    });
    await events.next('message.updated', (event) => event.data.id === data.id && event.data.status === 'Read');
    const { arguments: found } = await household.home('POST', `/phones/${seen.id}/actions/SearchMessages`, {
      arguments: { MessageClass: 'ANY', MessageFolder: 'ANY', MessageStatus: 'Unread', SessionID: '' },
    });
    expect(found.MessageList).not.toContain(messageId);
  });

  it('sends a message once, and knows it again when the phone lists it as sent', async () => {
    const events = await household.events();
    const sent = await household.api('POST', '/homes/home/messages', {
      messageClass: 'SMS',
      to: ['+390110002'],
      body: 'Leak!',
    });
    expect(sent.status).toBe(201);
    expect(sent.body).toMatchObject({ state: 'sent', to: [{ address: '+390110002' }], phone: seen.id });
    await events.next('send.updated', (event) => event.data.id === sent.body.id && event.data.state === 'sent');
    await household.until('the phone shows it in Sent', async () => {
      const message: Message = await household.home('GET', `/messages/${sent.body.id}`);
      return message.folder === 'Sent';
    });
    expect(phone.line.sent.filter((message) => message.body === 'Leak!')).toHaveLength(1);
    const { items } = await household.home('GET', '/messages?q=Leak!');
    expect(items).toHaveLength(1);
  });

  it('tells what the phone said when it refuses', async () => {
    const refused = await household.api('POST', '/homes/home/messages', {
      messageClass: 'SMS',
      to: ['nobody'],
      body: 'x',
    });
    expect(refused.status).toBe(422);
    expect(refused.headers.get('content-type')).toContain('application/problem+json');
    expect(refused.body).toMatchObject({ code: 'phone-refused', status: 422, upnpCode: 706 });
  });

  it('deletes at the phone and here', async () => {
    const events = await household.events();
    const messageId = await phone.line.receive('+39', 'delete me');
    const { data } = await events.next('message.received', (event) => event.data.messageId === messageId);
    expect((await household.api('DELETE', `/homes/home/messages/${data.id}`)).status).toBe(204);
    await events.next('message.deleted', (event) => event.data.id === data.id);
    expect((await household.api('GET', `/homes/home/messages/${data.id}`)).status).toBe(404);
  });
});

describe('while nobody looked', () => {
  let household: Household;
  let phone: TestPhone;

  beforeAll(async () => {
    household = await Household.open();
    phone = await household.addPhone('Hall');
    await household.startAgent();
    await household.phoneOnline('Hall');
  });
  afterAll(() => household.close());

  it('what came, changed and went while the agent was down is so in the cloud once it is up, and nothing was marked read', async () => {
    const events = await household.events();
    const [kept, gone] = [await phone.line.receive('+391', 'kept'), await phone.line.receive('+391', 'gone')];
    for (const id of [kept, gone]) await events.next('message.received', (event) => event.data.messageId === id);
    const { id: phoneId } = await household.phoneOnline('Hall');
    await household.stopAgent();
    await events.next('home.offline');

    const missed = await phone.line.receive('+392', 'missed');
    await soap(phone, 'DeleteMessage', `<MessageID>${gone}</MessageID>`);
    await soap(phone, 'ReadMessage', `<MessageID>${kept}</MessageID>`);
    await household.startAgent();

    const { data } = await events.next('message.received', (event) => event.data.messageId === missed);
    expect(data).toMatchObject({ status: 'Unread', body: 'missed', recovered: true });
    await events.next('message.updated', (event) => event.data.messageId === gone && event.data.folder === 'Deleted');
    await events.next('message.updated', (event) => event.data.messageId === kept && event.data.status === 'Read');
    const { items } = await household.home('GET', '/messages?folder=Received');
    expect(items.map((message: Message) => [message.messageId, message.status])).toEqual([
      [missed, 'Unread'],
      [kept, 'Read'],
    ]);
    const { arguments: found } = await household.home('POST', `/phones/${phoneId}/actions/SearchMessages`, {
      arguments: { MessageClass: '', MessageFolder: 'ANY', MessageStatus: 'Unread', SessionID: '' },
    });
    expect(found.MessageList).toContain(missed);
  });

  it('the same holds for an agent that lost its memory', async () => {
    const events = await household.events();
    const gone = await phone.line.receive('+393', 'gone with the journal');
    const { data } = await events.next('message.received', (event) => event.data.messageId === gone);
    const before: { items: Message[] } = await household.home('GET', '/messages?folder=Received');
    await household.stopAgent();
    await soap(phone, 'DeleteMessage', `<MessageID>${gone}</MessageID>`);
    await household.startAgent({ fresh: true });
    await events.next('message.updated', (event) => event.data.id === data.id && event.data.folder === 'Deleted');
    const after: { items: Message[] } = await household.home('GET', '/messages?folder=Received');
    expect(after.items).toEqual(before.items.filter((message) => message.messageId !== gone));
  });

  it('messages to send wait while the home is offline, go out in order when it is back, and none goes twice', async () => {
    await household.stopAgent();
    await household.until('the home is offline', async () => !(await household.home('GET', '')).online);
    const bodies = ['one', 'two', 'three'];
    for (const body of bodies) {
      const answer = await household.api('POST', '/homes/home/messages', { messageClass: 'SMS', to: ['+394'], body });
      expect(answer.status).toBe(202);
      expect(answer.body.state).toBe('queued');
    }
    const failing = { messageClass: 'SMS', to: ['+394'], body: 'now or never', ifOffline: 'fail' };
    expect(await household.api('POST', '/homes/home/messages', failing)).toMatchObject({
      status: 503,
      body: { code: 'home-offline' },
    });
    await household.startAgent();
    await household.until('all are sent', () => phone.line.sent.length >= bodies.length);
    await household.until('the cloud knows', async () => {
      const { items }: { items: Message[] } = await household.home('GET', '/messages?folder=Sent');
      return items.filter((message) => message.state === 'sent').length === bodies.length;
    });
    expect(phone.line.sent.map((message) => message.body)).toEqual(bodies);
  });

  it('a cloud that was away is found again, and watchers resume where they were', async () => {
    const events = await household.events();
    const first = await phone.line.receive('+395', 'before');
    await events.next('message.received', (event) => event.data.messageId === first);
    await household.stopCloud();
    await events.ended;
    const second = await phone.line.receive('+395', 'meanwhile');
    await household.startCloud();
    const resumed = await household.events(events.lastEventId);
    const { data } = await resumed.next('message.received', (event) => event.data.messageId === second);
    expect(data.body).toBe('meanwhile');
    expect(resumed.seen.filter((event) => events.seen.some((old) => old.id === event.id))).toEqual([]);
    await household.phoneOnline('Hall');
  });
});

describe('several phones in one home', () => {
  let household: Household;

  beforeAll(async () => {
    household = await Household.open();
    await household.addPhone('Server', { number: '+3901' });
    await household.addPhone('Client', { number: '+3902', deviceType: telephonyClient });
  });
  afterAll(() => household.close());

  it('bridges servers and clients alike, each by itself', async () => {
    await household.startAgent();
    const [server, client] = [await household.phoneOnline('Server'), await household.phoneOnline('Client')];
    expect(client.deviceType).toBe(telephonyClient);
    const events = await household.events();
    for (const { line, name } of household.phones) await line.receive('+396', `to ${name}`);
    for (const { id, name } of [server, client]) {
      const { data } = await events.next('message.received', (event) => event.data.phone === id);
      expect(data.body).toBe(`to ${name}`);
    }
    const send = { messageClass: 'SMS', to: ['+397'], body: 'from the client' };
    const unclear = await household.api('POST', '/homes/home/messages', send);
    expect(unclear).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
    expect(unclear.body.detail).toContain(client.id);
    const sent = await household.api('POST', '/homes/home/messages', { ...send, phone: client.id });
    expect(sent.status).toBe(201);
    const [serverLine, clientLine] = household.phones.map(({ line }) => line);
    expect(clientLine?.sent.map(({ body }) => body)).toEqual(['from the client']);
    expect(serverLine?.sent).toEqual([]);
  });

  it('lets no message of a phone leave the LAN before the household approved it', async () => {
    const events = await household.events();
    const stranger = await household.addPhone('Stranger', { number: '+3903' });
    const secret = await stranger.line.receive('+398', 'for the household only');
    const found = await household.phoneOnline('Stranger');
    expect(found.approved).toBe(false);
    const call = await household.api('POST', `/homes/home/phones/${found.id}/actions/GetSessions`, {
      arguments: { SessionID: '', SessionClass: '', SessionStatus: '' },
    });
    expect(call).toMatchObject({ status: 409, body: { code: 'phone-not-approved' } });
    expect((await household.home('GET', `/messages?phone=${found.id}`)).items).toEqual([]);
    expect(await household.home('POST', `/phones/${found.id}/approve`)).toMatchObject({ approved: true });
    await events.next('message.received', (event) => event.data.messageId === secret);
    expect(await household.home('POST', `/phones/${found.id}/revoke`)).toMatchObject({ approved: false });
    const later = await stranger.line.receive('+398', 'not any more');
    await household.phones[0]?.line.receive('+399', 'a message that passes');
    await events.next('message.received', (event) => event.data.body === 'a message that passes');
    expect((await household.home('GET', '/messages?q=not+any+more')).items).toEqual([]);
    expect(later).toBeDefined();
  });
});

/** Another control point on the LAN uses the phone. */
async function soap({ phone }: TestPhone, action: string, inside: string): Promise<void> {
  const type = 'urn:schemas-upnp-org:service:Messaging:2';
  const description = await (await fetch(phone.location)).text();
  const control = /<controlURL>([^<]+)<\/controlURL>/.exec(description)?.[1] ?? '';
  const answer = await fetch(new URL(control, phone.location), {
    method: 'POST',
    headers: { 'content-type': 'text/xml; charset="utf-8"', soapaction: `"${type}#${action}"` },
    body: `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><u:${action} xmlns:u="${type}">${inside}</u:${action}></s:Body></s:Envelope>`,
  });
  if (!answer.ok) throw new Error(`${action} was refused: ${await answer.text()}`);
}
