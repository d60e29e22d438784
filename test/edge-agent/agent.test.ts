import { afterEach, describe, expect, it } from 'vitest';
import { actions } from '../../protocol/actions.ts';
import { sampleMessage } from '../fixtures/phone/sample-message.ts';
import type { Reaction } from '../fixtures/phone/scripted-phone.ts';
import { House } from './house.ts';

let house: House;

async function open(...given: ConstructorParameters<typeof House>): Promise<House> {
  house = new House(...given);
  return house;
}

afterEach(async () => {
  await house.stop();
});

const puts = () => house.cloud.events.filter((event) => event.type === 'message.put');
const deletions = () => house.cloud.events.filter((event) => event.type === 'message.deleted');

describe('a home without a phone', () => {
  it('logs what to check', async () => {
    house = new House({}, { phoneUrl: undefined, noPhoneHintMs: 10 });
    await house.start();
    await house.cloud.until(() => house.lines.some((line) => line.includes('npm run doctor')));
  });
});

describe('a missing network interface', () => {
  it('is named in the log and waited for', async () => {
    house = new House({}, { interfaces: ['lo', 'none0'] });
    await house.start();
    await house.inStep();
    expect(house.lines.join('\n')).toMatch(/Warning: There is no address on none0\..*--interface/);
  });
});

describe('synchronisation', () => {
  it('reports all messages, oldest first, and each new one on the phone’s event', async () => {
    await open();
    house.phone.receive('second', { time: '2026-11-22T19:00:02.000Z' });
    house.phone.receive('first', { time: '2026-11-22T19:00:01.000Z' });
    await house.start();
    await house.inStep();
    await house.cloud.until(() => puts().length === 2);
    expect(puts().map((event) => event.message.body)).toEqual(['first', 'second']);
    expect(puts().every((event) => event.recovered === true)).toBe(true);

    await house.phone.notifyNewMessages(house.phone.receive('third'));
    await house.cloud.until(() => puts().length === 3);
    expect(puts()[2]).toMatchObject({ message: { body: 'third' }, udn: house.phone.udn });
    expect(puts()[2]).not.toHaveProperty('recovered');
    // The event named the new message, so the whole list was not fetched again.
    expect(house.phone.callsOf('SearchMessages').at(-1)?.given.get('MessageStatus')).toBe('Unread');
  });

  it('never calls ReadMessage to synchronise', async () => {
    await open();
    house.phone.receive('unread');
    await house.start();
    await house.inStep();
    await house.phone.notifyNewMessages(house.phone.receive('unread too'));
    await house.cloud.until(() => puts().length === 2);
    expect(house.phone.messages.map((message) => message.status)).toEqual(['Unread', 'Unread']);
    expect(new Set(house.phone.calls.map((call) => call.action))).toEqual(
      new Set(['SearchMessages', 'GetSessions', 'GetMessagingCapabilities']),
    );
  });

  it('keeps two equal texts as two messages', async () => {
    await open();
    const time = '2026-11-22T19:00:00.000Z';
    house.phone.receive('moved', { time });
    house.phone.receive('moved', { time });
    await house.start();
    await house.cloud.until(() => puts().length === 2);
    expect(new Set(puts().map((event) => event.id)).size).toBe(2);
  });

  it('reports changes and deletions without events, and repeats nothing', async () => {
    await open({}, { compareMs: 40 });
    const kept = house.phone.receive('kept');
    house.phone.receive('deleted');
    await house.start();
    await house.inStep();
    kept.status = 'Read';
    house.phone.messages = [kept];
    await house.cloud.until(() => deletions().length === 1);
    expect(puts()).toHaveLength(3);
    expect(puts()[2]).toMatchObject({ id: puts()[0]?.id, message: { status: 'Read' } });
    expect(deletions()[0]?.id).toBe(puts()[1]?.id);
    const looks = house.phone.callsOf('SearchMessages').length;
    await house.cloud.until(() => house.phone.callsOf('SearchMessages').length > looks + 2);
    expect(house.cloud.events).toHaveLength(4);
  });

  it('advances the epoch when an identifier is reused for another message, and keeps the history', async () => {
    await open({}, { compareMs: 40 });
    const before = house.phone.receive('old one', { messageId: '1' });
    house.phone.receive('old two', { messageId: '2' });
    await house.start();
    await house.inStep();
    house.phone.messages = [{ ...before, body: 'after the reset', from: { address: '+49' } }];
    await house.cloud.until(() => puts().length === 3);
    expect(puts()[2]).toMatchObject({ epoch: 1, message: { body: 'after the reset' } });
    expect(puts()[2]?.id).not.toBe(puts()[0]?.id);
    await house.cloud.until(() => deletions().length === 2);
    // No longer listed on the phone, which is not a deletion: the cloud keeps them.
    const { udn } = house.phone;
    expect(deletions()).toEqual(
      puts()
        .slice(0, 2)
        .map(({ id }) => ({ type: 'message.deleted', udn, epoch: 0, id })),
    );
    await house.cloud.until(() =>
      house.cloud.frames.some((frame) => frame.type === 'phones' && frame.phones[0]?.epoch === 1),
    );
  });

  it('assigns the same identifiers after the journal was lost, and finds deletions made in between', async () => {
    await open();
    for (let count = 1; count <= 5; count++) house.phone.receive(`text ${count}`);
    await house.start();
    await house.inStep();
    await house.cloud.until(() => puts().length === 5);
    const ids = puts().map((event) => event.id);
    await house.agent?.stop();
    house.loseJournal();
    house.phone.messages.splice(1, 1);
    const later = house.phone.receive('came meanwhile');
    await house.restartAgent();
    await house.cloud.until(() => deletions().length === 1 && puts().length === 6);
    expect(deletions()[0]?.id).toBe(ids[1]);
    expect(puts()[5]?.message.messageId).toBe(later.messageId);
  });

  it('reports everything again to a cloud with another store', async () => {
    await open();
    house.phone.receive('one');
    house.phone.receive('two');
    await house.start();
    await house.cloud.until(() => puts().length === 2);
    house.cloud.messages.clear();
    house.cloud.script.store = 'store-2';
    house.cloud.drop();
    await house.cloud.until(() => puts().length === 4);
    expect(puts()[2]?.id).toBe(puts()[0]?.id);
    expect(puts()[3]?.id).toBe(puts()[1]?.id);
  });

  it('reports nothing after a restart without changes', async () => {
    await open();
    house.phone.receive('one');
    await house.start();
    await house.cloud.until(() => puts().length === 1);
    // Acknowledged: the next start finds an empty outbox.
    await house.restartAgent();
    expect(house.cloud.events).toHaveLength(1);
  });

  it('delivers after reconnecting what arrived while disconnected', async () => {
    await open({}, { compareMs: 60_000 });
    await house.start();
    await house.inStep();
    house.cloud.script.refuse = 503;
    house.cloud.drop();
    await house.cloud.until(() => house.cloud.authorizations.length > 1);
    await house.phone.notifyNewMessages(house.phone.receive('while the cloud was away'));
    house.cloud.script.refuse = undefined;
    await house.cloud.until(() => puts().length === 1);
    expect(puts()[0]?.message.body).toBe('while the cloud was away');
  });

  it('polls a phone that refuses subscriptions', async () => {
    await open({}, { pollMs: 30 });
    house.phone.refusesSubscriptions = true;
    await house.start();
    await house.inStep();
    house.phone.receive('found by asking');
    await house.cloud.until(() => puts().length === 1);
    expect(house.lines.some((line) => line.includes('refuses to send events'))).toBe(true);
  });

  it('lists folder by folder when a phone does not know ANY', async () => {
    await open();
    house.phone.react = ({ action, given }) =>
      action === 'SearchMessages' && given.get('MessageFolder') === 'ANY' ? 600 : undefined;
    house.phone.receive('in the inbox');
    house.phone.receive('sent', { folder: 'Sent' });
    await house.start();
    await house.cloud.until(() => puts().length === 2);
  });

  it('lists each class, folder and status by name when a phone knows no wildcard', async () => {
    await open();
    house.phone.react = ({ action, given }) =>
      action === 'SearchMessages' && ([...given.values()].includes('ANY') || given.get('MessageClass') === 'MMS')
        ? 402
        : undefined;
    house.phone.receive('in the inbox');
    house.phone.receive('sent', { folder: 'Sent', status: 'Read' });
    await house.start();
    await house.cloud.until(() => puts().length === 2);
  });

  it('reports sessions under the identifier used by their messages', async () => {
    await open();
    house.phone.sessions = [
      { sessionId: 's-4', sessionClass: 'Chat', status: 'Running', contentTypes: ['text/plain'], recipients: [] },
    ];
    house.phone.receive('in the chat', { sessionId: 's-4', messageClass: 'Instant Message' });
    await house.start();
    await house.cloud.until(() => puts().length === 1);
    const session = house.cloud.events.find((event) => event.type === 'session.put');
    expect(session?.id).toMatch(/^s_[0-7][0-9A-Z]{25}$/);
    expect(puts()[0]?.sessionKey).toBe(session?.id);
    house.phone.sessions = [];
    await house.phone.notify(
      'SessionUpdates',
      '<sessionUpdates><sessionUpdate><sessionID>s-4</sessionID><change>closed</change></sessionUpdate></sessionUpdates>',
    );
    await house.cloud.until(() =>
      house.cloud.events.some((event) => event.type === 'session.put' && event.session.status === 'Closed'),
    );
  });

  it('lists a mailbox of thousands, and a broken list folder by folder', async () => {
    await open();
    for (let count = 0; count < 1600; count++) house.phone.receive(`text ${count}`);
    house.phone.receive('sent', { folder: 'Sent' });
    house.phone.react = ({ action, given }) =>
      action === 'SearchMessages' && given.get('MessageFolder') === 'ANY' ? { MessageList: '<html/>' } : undefined;
    await house.start();
    await house.cloud.until(() => puts().length === 1601);
    expect(new Set(puts().map((event) => event.id)).size).toBe(1601);
  });

  it.each<[string, Reaction]>([
    ['an answer without a list', {}],
    ['a page of another kind', { MessageList: '<html/>' }],
    ['nonsense', 'garbage'],
    ['a failure', 501],
  ])('does not mistake %s for an empty mailbox', async (_, reaction) => {
    await open({}, { compareMs: 30 });
    house.phone.receive('stays');
    await house.start();
    await house.cloud.until(() => puts().length === 1);
    house.phone.react = ({ action }) => (action === 'SearchMessages' ? reaction : undefined);
    await house.cloud.until(() => house.lines.some((line) => line.includes('Trying again')));
    expect(deletions()).toEqual([]);
  });

  it('synchronises again once a phone answers', async () => {
    await open({}, { pollMs: 30 });
    house.phone.receive('patience');
    let failures = 1;
    house.phone.react = ({ action }) => (action === 'SearchMessages' && failures-- > 0 ? 501 : undefined);
    await house.start();
    await house.cloud.until(() => puts().length === 1);
  });
});

describe('approval', () => {
  it('neither lists nor reports an unapproved phone, not even into the outbox', async () => {
    await open({ approve: [] });
    house.phone.receive('private');
    await house.start();
    await house.cloud.until(() => house.phone.callsOf('GetMessagingCapabilities').length > 0);
    const refused = await house.cloud.call(house.phone.udn, 'GetSessions', {
      SessionID: '',
      SessionClass: 'ANY',
      SessionStatus: 'ANY',
    });
    expect(refused).toMatchObject({ type: 'failure', code: 'phone-not-approved' });
    expect(house.phone.callsOf('SearchMessages')).toEqual([]);
    expect(house.cloud.events).toEqual([]);

    house.cloud.send({ type: 'approvals', approved: [house.phone.udn] });
    await house.cloud.until(() => puts().length === 1);
  });

  it('drops queued events when the approval is revoked while disconnected', async () => {
    await open({ acknowledge: false });
    await house.start();
    await house.inStep();
    house.cloud.script.refuse = 503;
    house.cloud.drop();
    await house.cloud.until(() => house.cloud.authorizations.length > 1);
    const looks = house.phone.callsOf('SearchMessages').length;
    await house.phone.notifyNewMessages(house.phone.receive('not for the cloud any more'));
    await house.cloud.until(() => house.phone.callsOf('SearchMessages').length > looks);
    house.cloud.script.approve = [];
    house.cloud.script.refuse = undefined;
    const before = house.cloud.frames.length;
    await house.cloud.until(() => house.cloud.frames.slice(before).some((frame) => frame.type === 'phones'));
    const refused = await house.cloud.call(house.phone.udn, 'GetNewMessages', {});
    expect(refused).toMatchObject({ code: 'phone-not-approved' });
    expect(puts()).toEqual([]);
  });

  it('reports the pinned phone as trusted', async () => {
    await open();
    await house.start();
    const told = await house.cloud.until(() =>
      house.cloud.frames.find((frame) => frame.type === 'phones' && frame.phones.length > 0),
    );
    expect(told).toMatchObject({ phones: [{ udn: house.phone.udn, trusted: true, online: true, epoch: 0 }] });
  });
});

const key = 'm_01KAPQ3Z5N0123456789ABCDEF';
const toSend = sampleMessage({
  messageId: '',
  folder: 'Outgoing',
  from: { address: '' },
  to: [{ address: '+390110001' }],
  body: 'On my way',
});
const send = (options: { key?: string; deadlineMs?: number } = { key }) =>
  house.cloud.call(house.phone.udn, 'SendMessage', { MessageToSend: toSend }, options);

describe('commands', () => {
  it('passes exact strings through in text form, and models in model form', async () => {
    await open();
    house.phone.receive('a <b> & c');
    await house.start();
    await house.inStep();
    const search = { MessageClass: 'SMS', MessageFolder: 'ANY', MessageStatus: '', SessionID: '' };
    const text = await house.cloud.call(house.phone.udn, 'SearchMessages', search, { form: 'text' });
    expect(text).toMatchObject({ type: 'result' });
    expect(String(text.type === 'result' && text.arguments.MessageList)).toMatch(/^<messageList xmlns=/);
    const model = await house.cloud.call(house.phone.udn, 'SearchMessages', search);
    expect(model).toMatchObject({ arguments: { MessageList: [{ body: 'a <b> & c' }] } });
    expect(house.phone.callsOf('SearchMessages').at(-1)?.given).toEqual(new Map(Object.entries(search)));
    expect([...(house.phone.callsOf('SearchMessages').at(-1)?.given.keys() ?? [])]).toEqual(
      Object.keys(actions.SearchMessages.in),
    );
  });

  it.each([
    [{ MessageID: 'x', Extra: '' }, 'Extra is unknown'],
    [{}, 'MessageID is missing'],
    [{ MessageID: 7 }, 'MessageID is not a string'],
  ])('names the invalid arguments: %j', async (given, words) => {
    await open();
    await house.start();
    await house.inStep();
    const answer = await house.cloud.call(house.phone.udn, 'DeleteMessage', given);
    expect(answer).toMatchObject({ type: 'failure', code: 'invalid-request' });
    expect(answer.type === 'failure' && answer.detail).toContain(words);
    expect(house.phone.callsOf('DeleteMessage')).toEqual([]);
  });

  it('translates a refusal, silence and an unreadable answer', async () => {
    await open();
    await house.start();
    await house.inStep();
    const read = () => house.cloud.call(house.phone.udn, 'ReadMessage', { MessageID: 'x' }, { deadlineMs: 2000 });
    house.phone.react = ({ action }) => (action === 'ReadMessage' ? 711 : undefined);
    expect(await read()).toMatchObject({ code: 'phone-refused', upnpCode: 711, upnpDescription: 'as scripted' });
    house.phone.react = ({ action }) => (action === 'ReadMessage' ? 'garbage' : undefined);
    expect(await read()).toMatchObject({ code: 'phone-malformed' });
    house.phone.react = ({ action }) =>
      action === 'ReadMessage' ? { MessageRequested: '<!DOCTYPE x><message/>' } : undefined;
    expect(await read()).toMatchObject({ code: 'phone-malformed' });
    house.phone.react = ({ action }) => (action === 'ReadMessage' ? 'hang-up' : undefined);
    expect(await read()).toMatchObject({ code: 'phone-unreachable' });
    expect(await house.cloud.call('uuid:nobody', 'GetNewMessages', {})).toMatchObject({ code: 'phone-not-approved' });
  });

  it('reports at once what reading and deleting changed', async () => {
    await open();
    const message = house.phone.receive('read me');
    await house.start();
    await house.cloud.until(() => puts().length === 1);
    await house.cloud.call(house.phone.udn, 'ReadMessage', { MessageID: message.messageId });
    await house.cloud.until(() => puts().length === 2);
    expect(puts()[1]).toMatchObject({ id: puts()[0]?.id, message: { status: 'Read' } });
    await house.cloud.call(house.phone.udn, 'DeleteMessage', { MessageID: message.messageId });
    await house.cloud.until(() => deletions().length === 1);
    expect(deletions()[0]?.id).toBe(puts()[0]?.id);
  });

  it('sends once per key, repeats the first outcome, and identifies the message by the key', async () => {
    await open();
    await house.start();
    await house.inStep();
    const [first, twin] = await Promise.all([send(), send()]);
    expect(first).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    expect(twin).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    await house.cloud.until(() => puts().length === 1);
    expect(puts()[0]).toMatchObject({ id: key, message: { folder: 'Sent', body: 'On my way' } });
    await house.restartAgent();
    expect(await send()).toMatchObject({ arguments: { MessageID: 'm-1' } });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
    expect(puts()).toHaveLength(1);
  });

  it('does not list everything for each send', async () => {
    await open();
    await house.start();
    await house.inStep();
    const listed = house.phone.callsOf('SearchMessages').length;
    const keys = Array.from({ length: 20 }, (_, at) => `m_01KAPQ3Z5N0000000000000${100 + at}`);
    for (const each of keys) await send({ key: each });
    await house.cloud.until(() => puts().length === keys.length);
    expect(puts().map((event) => event.id)).toEqual(expect.arrayContaining(keys));
    expect(house.phone.callsOf('SearchMessages').length - listed).toBeLessThan(keys.length);
  });

  it('sends equal texts under two keys twice', async () => {
    await open();
    await house.start();
    await house.inStep();
    await send();
    await send({ key: 'm_01KAPQ3Z5N0123456789ABCDEG' });
    await house.cloud.until(() => puts().length === 2);
    expect(new Set(puts().map((event) => event.id))).toEqual(new Set([key, 'm_01KAPQ3Z5N0123456789ABCDEG']));
  });

  it('repeats a refusal without calling the phone again', async () => {
    await open();
    await house.start();
    await house.inStep();
    house.phone.react = ({ action }) => (action === 'SendMessage' ? 706 : undefined);
    expect(await send()).toMatchObject({ code: 'phone-refused', upnpCode: 706 });
    house.phone.react = () => undefined;
    expect(await send()).toMatchObject({ code: 'phone-refused', upnpCode: 706 });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('looks a send up on the phone when the answer is lost', async () => {
    await open();
    await house.start();
    await house.inStep();
    house.phone.react = ({ action, given }) => {
      if (action !== 'SendMessage') return undefined;
      house.phone.take(given.get('MessageToSend') ?? '');
      return 'hang-up';
    };
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    await house.cloud.until(() => puts().length === 1);
    expect(puts()[0]?.id).toBe(key);
  });

  it('does not mistake an older equal text for the lost send, and never resends', async () => {
    await open();
    house.phone.receive('On my way', { folder: 'Sent', to: toSend.to });
    await house.start();
    await house.inStep();
    house.phone.react = ({ action }) => (action === 'SendMessage' ? 'hang-up' : undefined);
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    house.phone.react = () => undefined;
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('does not report a send as unknown while the phone is unreachable', async () => {
    await open();
    await house.start();
    await house.inStep();
    let xml = '';
    house.phone.react = ({ action, given }) => {
      if (action === 'SendMessage') xml = given.get('MessageToSend') ?? '';
      return 'hang-up';
    };
    expect(await send()).toMatchObject({ code: 'outcome-pending' });
    await house.cloud.until(() => house.lines.some((line) => line.includes('does not answer')));
    // Being offline now says nothing about the earlier send, but decides another one.
    expect(await send()).toMatchObject({ code: 'outcome-pending' });
    expect(await send({ key: 'm_01KAPQ3Z5N0123456789ABCDEG' })).toMatchObject({ code: 'phone-offline' });
    house.phone.take(xml);
    house.phone.react = () => undefined;
    await house.cloud.until(() => house.lines.some((line) => line.includes('answers again')));
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('reports a send as unknown when the returned phone does not list it, and never resends', async () => {
    await open();
    await house.start();
    await house.inStep();
    house.phone.react = () => 'hang-up';
    expect(await send()).toMatchObject({ code: 'outcome-pending' });
    await house.agent?.stop();
    house.phone.react = () => undefined;
    await house.restartAgent();
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('settles a send started before a crash when its message is listed', async () => {
    await open();
    await house.start();
    await house.inStep();
    let xml = '';
    house.phone.react = ({ action, given }) => {
      if (action !== 'SendMessage') return undefined;
      xml = given.get('MessageToSend') ?? '';
      return 'hang-up';
    };
    expect(await send()).toMatchObject({ code: 'outcome-unknown' });
    // The phone was slow: the message appears after all, and the agent restarts.
    house.phone.react = () => undefined;
    await house.agent?.stop();
    house.phone.take(xml);
    await house.restartAgent();
    await house.cloud.until(() => puts().length === 1);
    expect(puts()[0]?.id).toBe(key);
    expect(await send()).toMatchObject({ type: 'result', arguments: { MessageID: 'm-1' } });
    expect(house.phone.callsOf('SendMessage')).toHaveLength(1);
  });

  it('neither runs nor answers a call cancelled while queued', async () => {
    await open();
    await house.start();
    await house.inStep();
    const given = { SessionID: 'slow', SessionClass: 'ANY', SessionStatus: 'ANY' };
    house.phone.react = ({ given: { size }, action }) => (action === 'GetSessions' && size > 0 ? 'silence' : undefined);
    const slow = house.cloud.call(house.phone.udn, 'GetSessions', given, { deadlineMs: 400 });
    const waiting = house.cloud.call(house.phone.udn, 'DeleteMessage', { MessageID: 'x' });
    let answered = false;
    waiting.then(
      () => {
        answered = true;
      },
      () => {},
    );
    house.cloud.send({ type: 'cancel', id: 'c2' });
    expect(await slow).toMatchObject({ code: 'deadline-exceeded' });
    expect(await house.cloud.call(house.phone.udn, 'ReadMessage', { MessageID: 'x' })).toMatchObject({ upnpCode: 701 });
    expect(answered).toBe(false);
    expect(house.phone.callsOf('DeleteMessage')).toEqual([]);
  });

  it('does not let a second call with the same id disturb the first', async () => {
    await open();
    await house.start();
    await house.inStep();
    const call = { type: 'call', id: 'twin', udn: house.phone.udn, action: 'GetSessions', form: 'text' } as const;
    const given = { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' };
    house.cloud.send({ ...call, arguments: given, deadlineMs: 5000 });
    house.cloud.send({ ...call, arguments: given, deadlineMs: 5000 });
    await house.cloud.until(() => house.cloud.frames.some((frame) => frame.type === 'result' && frame.id === 'twin'));
    expect(house.cloud.frames.filter((frame) => frame.type === 'failure')).toEqual([]);
    expect(house.cloud.frames.find((frame) => frame.type === 'error')).toMatchObject({ code: 'conflict' });
  });

  it('fails by itself at the deadline', async () => {
    await open({}, { queue: { inFlight: 1, waiting: 1 } });
    await house.start();
    await house.inStep();
    house.phone.react = () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60);
      return undefined;
    };
    const given = { SessionID: '', SessionClass: 'ANY', SessionStatus: 'ANY' };
    const all = await Promise.all([
      house.cloud.call(house.phone.udn, 'GetSessions', given, { deadlineMs: 5000 }),
      house.cloud.call(house.phone.udn, 'GetSessions', given, { deadlineMs: 1 }),
      house.cloud.call(house.phone.udn, 'GetSessions', { ...given, SessionStatus: 'Parked' }, { deadlineMs: 5000 }),
    ]);
    expect(all.map((answer) => (answer.type === 'failure' ? answer.code : answer.type))).toEqual([
      'result',
      'deadline-exceeded',
      'too-many-requests',
    ]);
  });
});

describe('agent life cycle', () => {
  it('unsubscribes and closes everything on stop', async () => {
    await open();
    await house.start();
    await house.inStep();
    expect(house.phone.subscribers).toBe(1);
    await house.agent?.stop();
    expect(house.phone.subscribers).toBe(0);
  });

  it('stops when neither phone nor cloud was ever reachable', async () => {
    await open();
    await house.start();
    await house.agent?.stop();
    await house.agent?.stop();
  });

  it('stops although the phone fell silent in the middle of an answer', async () => {
    await open();
    await house.start();
    await house.inStep();
    house.phone.react = () => 'silence';
    const looks = house.phone.callsOf('SearchMessages').length;
    await house.phone.notifyNewMessages(house.phone.receive('nobody will list it'));
    await house.cloud.until(() => house.phone.callsOf('SearchMessages').length > looks);
    await house.agent?.stop();
    expect(house.lines.join()).not.toContain('Trying again');
  });

  it('treats each device with a Messaging service, also an embedded one, as a phone', async () => {
    await open();
    house.phone.embedded = 'uuid:embedded';
    await house.start();
    const udns = await house.cloud.until(() => {
      const told = house.cloud.frames.findLast((frame) => frame.type === 'phones');
      return told?.phones.length === 2 && told.phones.map((each) => each.udn);
    });
    expect(udns).toEqual([house.phone.udn, 'uuid:embedded']);
  });

  it('ignores a device without a Messaging service', async () => {
    await open();
    house.phone.hasMessaging = false;
    await house.start();
    await house.cloud.until(() => house.cloud.frames.some((frame) => frame.type === 'phones'));
    expect(house.lines.filter((line) => line.includes('Found'))).toEqual([]);
  });
});
