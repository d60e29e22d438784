// A Messaging device on a foreign UPnP stack: the agent finds, reads, commands and hears it, up to REST.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeDocument } from '../../edge-agent/messaging/documents.ts';
import type { Message, Session } from '../../protocol/model.ts';
import { Household } from '../end-to-end/household.ts';
import { sampleMessage } from '../fixtures/phone/sample-message.ts';
import { GupnpPhone, gupnpIsMissing } from './gupnp.ts';

/** GSSDP knows no other port. */
const standardSsdpPort = 1900;

describe.skipIf(gupnpIsMissing()).each([1, 2] as const)('a GUPnP telephone with Messaging:%i', (version) => {
  const udn = `uuid:${randomUUID()}`;
  let household: Household;
  let telephone: GupnpPhone;
  let phone: string;
  let count = 0;

  beforeAll(async () => {
    household = await Household.open();
    // Only its service description is used: a separate discovery port keeps it from being found.
    const own = await household.addPhone('Lender');
    const scpd = await (await fetch(new URL('/messaging/scpd.xml', own.phone.location))).text();
    expect(scpd).toContain('<scpd');
    telephone = await GupnpPhone.start({ udn, version, scpd });
    await household.startAgent({ trust: [udn], ssdpPort: standardSsdpPort });
    phone = (await household.phoneOnline('GUPnP telephone')).id;
  });
  afterAll(async () => {
    await household?.close();
    await telephone?.stop();
  });

  const message = (body: string) => ({
    id: `m/${++count} <&>`,
    class: 'SMS',
    from: `+39011${count}`,
    body,
    time: 1_795_000_000 + count,
  });
  const call = async (action: string, given: Record<string, string>) =>
    (await household.home('POST', `/phones/${phone}/actions/${action}`, { arguments: given })).arguments;

  it('is found by its service type and described', async () => {
    const seen = await household.home('GET', '/phones');
    expect(seen.items.find((each: { id: string }) => each.id === phone)).toMatchObject({
      udn,
      deviceType: `urn:schemas-upnp-org:device:TelephonyServer:${version}`,
      approved: true,
      online: true,
    });
  });

  it('is heard: what it notifies is in the cloud, read from its own vocabulary, and still unread', async () => {
    const events = await household.events();
    const arriving = message('Ciao “tutti” & <altri> 😀');
    await telephone.receive(arriving);
    const { data } = await events.next('message.received', (event) => event.data.messageId === arriving.id);
    expect(data).toMatchObject({
      body: arriving.body,
      from: { address: arriving.from },
      to: [{ address: '+390119998' }],
      messageClass: 'SMS',
      status: 'Unread',
      time: new Date(arriving.time * 1_000).toISOString(),
      phone,
    });
    expect((await telephone.readMarks())[arriving.id]).toBe('false');
  });

  it('is commanded: messages are read, sent once and deleted, and its refusals come back', async () => {
    const events = await household.events();
    const arriving = message('read and delete me');
    await telephone.receive(arriving);
    const { data } = await events.next('message.received', (event) => event.data.messageId === arriving.id);
    await household.home('POST', `/messages/${data.id}/read`);
    expect((await telephone.readMarks())[arriving.id]).toBe('true');
    await household.home('DELETE', `/messages/${data.id}`);
    expect(await telephone.readMarks()).not.toHaveProperty(arriving.id);

    const send = { phone, messageClass: 'SMS', to: ['+39 011 & 5'], body: 'a <b> & "c"' };
    const sent: Message = await household.home('POST', '/messages', send);
    expect(sent).toMatchObject({ state: 'sent' });
    expect(telephone.told.filter((told) => told.sent === sent.messageId)).toEqual([
      { sent: sent.messageId, to: send.to, body: send.body },
    ]);
    const refused = await household.api('POST', '/homes/home/messages', { ...send, to: ['refuse'] });
    expect(refused).toMatchObject({ status: 422, body: { upnpCode: 706, upnpDescription: 'not a number' } });
  });

  it('sends a message, answers 501, and is found to have sent it once', async () => {
    const send = { phone, messageClass: 'SMS', to: ['lose'], body: 'sent, and the answer lost' };
    const sent: Message = await household.home('POST', '/messages', send);
    expect(sent).toMatchObject({ state: 'sent' });
    expect(telephone.told.filter((told) => told.body === send.body)).toMatchObject([{ sent: sent.messageId }]);
    const given = { MessageToSend: textMessage('lose', 'sent by name') };
    const { MessageID } = await call('SendMessage', given);
    expect(telephone.told.filter((told) => told.body === 'sent by name')).toMatchObject([{ sent: MessageID }]);
    const session = { phone, sessionClass: 'Chat', recipients: ['lose'], subject: `lost ${version}` };
    expect(await household.home('POST', '/sessions', session)).toMatchObject({ subject: session.subject });
    await once(send.body);
  });

  it('sends a message, answers 501, and lists it later: it joins the send that failed', async () => {
    const events = await household.events();
    const send = { phone, messageClass: 'SMS', to: ['late'], body: 'listed late' };
    const failed = await household.api('POST', '/homes/home/messages', send);
    expect(failed).toMatchObject({ status: 422, body: { code: 'phone-refused', upnpCode: 501 } });
    const told = telephone.told.find(({ body }) => body === send.body);
    await telephone.appear(String(told?.sent));
    const { data } = await events.next(
      'send.updated',
      (event) => event.data.id === failed.body.resource && event.data.state === 'sent',
    );
    expect(data).toMatchObject({ state: 'sent', messageId: told?.sent });
    expect(data).not.toHaveProperty('stateReason');
    await once(send.body);
  });

  /** The cloud has one message with these words, and it is sent. */
  async function once(body: string): Promise<void> {
    const { items }: { items: Message[] } = await household.home('GET', '/messages?limit=100');
    expect(items.filter((each) => each.body === body)).toMatchObject([{ state: 'sent' }]);
  }

  const textMessage = (to: string, body: string) =>
    writeDocument('message', sampleMessage({ to: [{ address: to }], body, folder: 'Outgoing' }));

  it('holds sessions and transfers', async () => {
    const session: Session = await household.home('POST', '/sessions', {
      phone,
      sessionClass: 'Chat',
      recipients: ['xmpp:ada@example.org'],
      subject: 'Über & <unter>',
    });
    expect(session).toMatchObject({ status: 'Running', subject: 'Über & <unter>', sessionClass: 'Chat' });
    expect(session.recipients).toEqual([{ address: 'xmpp:ada@example.org', state: 'joined' }]);
    const at = `/sessions/${session.id}`;
    const changed: Session = await household.home('PATCH', at, { addRecipients: ['xmpp:bob@example.org'] });
    expect(changed.recipients).toHaveLength(2);
    expect(await household.home('POST', `${at}/leave`)).toMatchObject({ status: 'Parked' });
    expect(await household.home('POST', `${at}/join`)).toMatchObject({ status: 'Running' });
    expect(await household.home('POST', `${at}/accept`)).toMatchObject({ status: 'Running' });
    const file = {
      name: 'a.txt',
      contentType: 'text/plain',
      sizeBytes: 3,
      url: 'http://127.0.0.1:9/a',
      direction: 'send',
    };
    await household.home('POST', `${at}/files`, { files: [file] });
    expect((await household.home('GET', `${at}/files`)).items[0]).toMatchObject({ name: 'a.txt', status: 'pending' });
    await household.home('POST', `${at}/files/cancel`);
    expect((await household.home('GET', `${at}/files`)).items[0]).toMatchObject({ status: 'cancelled' });
    expect(await household.home('POST', `${at}/close`)).toMatchObject({ status: 'Closed' });
  });

  it('answers argument for argument in its own words', async () => {
    expect((await call('GetTelephonyIdentity', {})).TelephonyIdentity).toContain('<number>+390119998</number>');
    expect((await call('GetMessagingCapabilities', {})).SupportedCapabilities).toContain('<pageMode>yes</pageMode>');
    expect((await call('GetSessionUpdates', {})).SessionUpdates).toBe('');
    expect((await call('GetNewMessages', {})).NewMessages).toContain('<m:Messages');
    const gone = await household.api('POST', `/homes/home/phones/${phone}/actions/DeleteMessage`, {
      arguments: { MessageID: 'none' },
    });
    expect(gone).toMatchObject({ status: 422, body: { upnpCode: 701, upnpDescription: 'no such message' } });
  });

  it('is compared: what it did in silence while the agent was down is noticed', async () => {
    const events = await household.events();
    const [kept, lost] = [message('kept'), message('lost')];
    for (const each of [kept, lost]) {
      await telephone.receive(each);
      await events.next('message.received', (event) => event.data.messageId === each.id);
    }
    await household.stopAgent();
    const missed = message('missed');
    await telephone.receiveSilently(missed);
    await telephone.forget(lost.id);
    await household.startAgent({ trust: [udn], ssdpPort: standardSsdpPort });
    const { data } = await events.next('message.received', (event) => event.data.messageId === missed.id);
    expect(data).toMatchObject({ body: 'missed', recovered: true });
    const missing = await events.next('message.updated', (event) => event.data.messageId === lost.id);
    expect(missing.data).toMatchObject({ onPhone: false, body: lost.body });
    const { items }: { items: Message[] } = await household.home('GET', '/messages?folder=Received');
    const ids = items.map((each) => each.messageId);
    expect(ids).toContain(kept.id);
    expect(ids).toContain(lost.id);
  });

  it('is compared by an agent that lost its memory too', async () => {
    const events = await household.events();
    const lost = message('lost with the journal');
    await telephone.receive(lost);
    const { data } = await events.next('message.received', (event) => event.data.messageId === lost.id);
    await household.stopAgent();
    await telephone.forget(lost.id);
    await household.startAgent({ trust: [udn], ssdpPort: standardSsdpPort, fresh: true });
    const missing = await events.next('message.updated', (event) => event.data.id === data.id);
    expect(missing.data).toMatchObject({ onPhone: false });
  });
});
