// The history of a household when its phone glitches, corrects itself or is reset: over real sockets, from the phone's
// XML to the tunnel frames.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { legacyFingerprintOf } from '../../edge-agent/messaging/evidence.ts';
import type { PhoneMessage } from '../../protocol/phone-model.ts';
import type { Reaction } from '../fixtures/phone/scripted-phone.ts';
import { House } from './house.ts';

const profile = 'urn:homeline:messaging:1';

interface Entry {
  readonly id: string;
  readonly from?: string;
  readonly name?: string;
  readonly time?: string;
  readonly text: string;
  readonly messageClass?: string;
  readonly folder?: string;
}

/** One message as a phone writes it. */
function entry({
  id,
  from = '+4915112345678',
  name,
  time = '',
  text,
  messageClass = 'SMS',
  folder = 'Received',
}: Entry) {
  const displayName = name === undefined ? '' : `<displayName>${name}</displayName>`;
  return `<message><messageID>${id}</messageID><messageClass>${messageClass}</messageClass><messageFolder>${folder}</messageFolder><messageStatus>Unread</messageStatus><sessionID/><sender><address>${from}</address>${displayName}</sender><recipients><recipient><address>+4930999</address></recipient></recipients><subject/><time>${time}</time><content type="text/plain">${text}</content></message>`;
}
const listOf = (...entries: readonly string[]) => `<messageList xmlns="${profile}">${entries.join('')}</messageList>`;
const emptyList = `<messageList xmlns="${profile}"/>`;

let house: House;
/** The phone's answer to every SearchMessages. */
let list: string | Reaction;

const puts = () => house.cloud.events.filter((event) => event.type === 'message.put');
const deletions = () => house.cloud.events.filter((event) => event.type === 'message.deleted');
/** The cloud's current messages by identifier. */
function held(): Map<string, PhoneMessage> {
  return new Map([...house.cloud.messages].map(([id, { event }]) => [id, event.message]));
}
const idOf = (text: string) => [...held()].find(([, { body }]) => body === text)?.[0];
const present = () => [...house.cloud.messages.values()].filter(({ item }) => !item.absent && !item.deleted);
/** The number of searches so far. */
const looks = () => house.phone.callsOf('SearchMessages').length;
const changesAsked = () => house.phone.calls.filter(({ action }) => /Read|Delete/.test(action)).length;

/** Waits for this many more searches. */
async function lookedAgain(times = 3): Promise<void> {
  const before = looks();
  await house.cloud.until(() => looks() >= before + times);
}

async function open(first: string, options: ConstructorParameters<typeof House>[1] = {}, script = {}): Promise<void> {
  list = first;
  house = new House(script, { compareMs: 30, confirmMs: 80, ...options });
  house.phone.react = ({ action }) => {
    if (action !== 'SearchMessages') return undefined;
    return typeof list === 'string' ? { MessageList: list } : list;
  };
  await house.start();
  await house.inStep();
}

afterEach(async () => {
  await house.stop();
});

const five = Array.from({ length: 5 }, (_, n) =>
  entry({ id: `h${n}`, from: `+4915200000${n}`, time: `2026-10-0${n + 1}T07:15:00.000Z`, text: `Note ${n}` }),
);

describe('a phone with a glitch', () => {
  const firstPage = listOf(...five.slice(0, 3));
  const cut = listOf(...five).slice(0, listOf(...five.slice(0, 2)).length + 150);

  it.each([
    ['an empty list', emptyList],
    ['an empty argument', ''],
    ['a blank argument', '  \n'],
    ['a list cut in the middle', cut],
    ['its first page', firstPage],
    ['its last page', listOf(...five.slice(4))],
    ['no argument', {}],
    ['a refusal', 603],
    ['another refusal', 701],
    ['nonsense', 'garbage' as const],
  ])('that answers %s once loses nothing, and every message keeps its identifier', async (_words, hiccup) => {
    await open(listOf(...five));
    await house.cloud.until(() => held().size === 5);
    const before = [...held().keys()].sort();
    let asked = 0;
    house.phone.react = ({ action }) => {
      if (action !== 'SearchMessages') return undefined;
      const answer = asked++ === 0 ? hiccup : listOf(...five);
      return typeof answer === 'string' && answer !== 'garbage' ? { MessageList: answer } : (answer as Reaction);
    };
    await house.cloud.until(() => asked > 8);
    await house.cloud.until(() => present().length === 5);
    expect([...held().keys()].sort()).toEqual(before);
    // Two of five may disappear; more than half, or all, is not accepted at once.
    expect(deletions()).toHaveLength(hiccup === firstPage ? 2 : 0);
  });

  it('counts as empty only when a later second list is empty too', async () => {
    await open(listOf(...five), { confirmMs: 1500 });
    await house.cloud.until(() => held().size === 5);
    list = emptyList;
    await lookedAgain(5);
    expect(deletions()).toEqual([]);
    await house.cloud.until(() => deletions().length === 5);
    expect(deletions().every((event) => !event.requested && !event.confirmed)).toBe(true);
    list = listOf(...five);
    await house.cloud.until(() => present().length === 5);
    expect(held().size).toBe(5);
  });

  it('reports new messages from a list that is suspiciously short', async () => {
    await open(listOf(...five), { confirmMs: 60_000 });
    await house.cloud.until(() => held().size === 5);
    list = listOf(entry({ id: 'h9', time: '2026-10-09T07:15:00.000Z', text: 'New' }));
    await house.cloud.until(() => idOf('New') !== undefined);
    await lookedAgain();
    expect(deletions()).toEqual([]);
  });

  it('does not report again messages deleted while the agent had lost its journal', async () => {
    await open(listOf(...five));
    await house.cloud.until(() => held().size === 5);
    const before = [...held().keys()].sort();
    await house.agent?.stop();
    house.loseJournal();
    const [gone = '', deleted = ''] = before;
    for (const [id, mark] of [
      [gone, { absent: true as const }],
      [deleted, { deleted: true as const }],
    ] as const) {
      const stored = house.cloud.messages.get(id);
      if (stored !== undefined) house.cloud.messages.set(id, { ...stored, item: { ...stored.item, ...mark } });
    }
    const told = house.cloud.events.length;
    await house.restartAgent();
    await house.cloud.until(() => house.cloud.events.length > told);
    await lookedAgain();
    expect(house.cloud.events.slice(told)).toMatchObject([{ type: 'message.put', id: gone }]);
    expect([...held().keys()].sort()).toEqual(before);
  });
});

describe('a missing message', () => {
  it('is reported as confirmed once, by a second complete list ten minutes later', async () => {
    await open(listOf(...five));
    await house.cloud.until(() => held().size === 5);
    list = listOf(...five.slice(1));
    await house.cloud.until(() => deletions().length === 1);
    await lookedAgain();
    expect(deletions()).toHaveLength(1);
    await house.agent?.stop();
    // Simulate ten minutes.
    house.changeJournal('UPDATE known_messages SET absent_ms = absent_ms - 600001 WHERE absent_ms IS NOT NULL');
    await house.startAgent();
    await house.cloud.until(() => deletions().length === 2);
    await lookedAgain();
    expect(deletions()).toMatchObject([{ id: deletions()[0]?.id }, { id: deletions()[0]?.id, confirmed: true }]);
  });
});

describe('a phone that corrects itself', () => {
  const before = [
    entry({ id: 'k1', from: '+4915112345678', time: '2026-10-05T06:00:09.250Z', text: 'At the gate' }),
    entry({ id: 'k2', from: '00441632960001', time: '2026-10-05T06:01:00', text: 'Running late' }),
    entry({ id: 'k3', from: '+4915112345679', time: '2026-10-05T06:02:00.000Z', text: 'Look' }),
  ];

  it.each([
    [
      'time, sender and class',
      [
        entry({ id: 'k1', from: '+4915112345678', name: 'Ada', time: '2026-10-05T04:00:09.000Z', text: 'At the gate' }),
        entry({ id: 'k2', from: '+44 1632 960001', time: '2026-10-05T05:01:00', text: 'Running late' }),
        entry({ id: 'k3', from: 'Bob', time: '2026-10-05T06:02:00.000Z', text: 'Look', messageClass: 'MMS' }),
      ],
    ],
    [
      'the clock, which was days off',
      [
        entry({ id: 'k1', from: '+4915112345678', time: '2026-10-08T11:22:33.250Z', text: 'At the gate' }),
        entry({ id: 'k2', from: '00441632960001', time: '2026-10-08T11:23:24', text: 'Running late' }),
        entry({ id: 'k3', from: '+4915112345679', time: '2026-10-08T11:24:24.000Z', text: 'Look' }),
      ],
    ],
    [
      'all identifiers',
      [
        entry({ id: 'k4', from: '+4915112345678', time: '2026-10-05T06:00:09.250Z', text: 'At the gate' }),
        entry({ id: 'k5', from: '00441632960001', time: '2026-10-05T06:01:00', text: 'Running late' }),
        entry({ id: 'k6', from: '+4915112345679', time: '2026-10-05T06:02:00.000Z', text: 'Look' }),
      ],
    ],
  ])('keeps the same messages when %s changed', async (_words, after) => {
    await open(listOf(...before));
    await house.cloud.until(() => held().size === 3);
    const ids = [...held().keys()].sort();
    list = listOf(...after);
    await house.cloud.until(() => puts().length === 6);
    await lookedAgain();
    expect([...held().keys()].sort()).toEqual(ids);
    expect(present()).toHaveLength(3);
    expect(puts()).toHaveLength(6);
    expect(deletions()).toEqual([]);
  });

  it('keeps the same messages when the agent restarts in another time zone', async () => {
    const zoneless = before.map((text) => text.replace(/(T\d\d:\d\d:\d\d)[^<]*</, '$1<'));
    await open(listOf(...zoneless));
    await house.cloud.until(() => held().size === 3);
    const ids = [...held().keys()].sort();
    const zone = process.env.TZ;
    try {
      process.env.TZ = 'Asia/Kathmandu';
      await house.cloud.until(() => puts().length === 6);
      await lookedAgain();
    } finally {
      if (zone === undefined) delete process.env.TZ;
      else process.env.TZ = zone;
    }
    await house.cloud.until(() => puts().length === 9);
    expect([...held().keys()].sort()).toEqual(ids);
  });

  it('keeps two equal texts as two messages, also when both get new identifiers', async () => {
    const twice = (one: string, other: string) =>
      listOf(...[one, other].map((id) => entry({ id, time: '2026-10-05T06:00:00.000Z', text: 'Knock knock' })));
    await open(twice('1', '2'));
    await house.cloud.until(() => held().size === 2);
    list = twice('3', '4');
    await house.cloud.until(() => puts().length === 4);
    await lookedAgain();
    expect(held().size).toBe(2);
    expect(
      present()
        .map(({ item }) => item.messageId)
        .sort(),
    ).toEqual(['3', '4']);
  });

  it('keeps the same messages after an agent update, and reports them at most once', async () => {
    await open(listOf(...five));
    await house.cloud.until(() => held().size === 5);
    const ids = [...held().keys()].sort();
    await house.agent?.stop();
    for (const [id, { item, event }] of house.cloud.messages) {
      const fingerprint = legacyFingerprintOf(event.message);
      house.cloud.messages.set(id, { event, item: { ...item, fingerprint } });
      house.changeJournal(`UPDATE known_messages SET fingerprint = '${fingerprint}' WHERE id = '${id}'`);
    }
    await house.startAgent();
    await lookedAgain();
    expect(puts()).toHaveLength(5);
    // With corrected times and classes, and the journal lost too.
    await house.agent?.stop();
    house.loseJournal();
    list = listOf(...five.map((text) => text.replace('T07:15', 'T08:15').replace('SMS', 'MMS')));
    await house.restartAgent();
    await house.cloud.until(() => puts().length === 10);
    await lookedAgain();
    expect([...held().keys()].sort()).toEqual(ids);
    expect(puts()).toHaveLength(10);
  });
});

describe('a reset phone', () => {
  const before = [
    entry({ id: '1', from: '+4915112345671', time: '2026-09-01T10:00:00.000Z', text: 'The code of the door is 4711' }),
    entry({ id: '2', from: '+4915112345672', time: '2026-09-01T10:01:00.000Z', text: 'OK' }),
  ];
  const after = [
    entry({ id: '1', from: '+4915112345673', time: '2026-10-20T12:00:00.000Z', text: 'Your train is late' }),
    entry({ id: '2', from: '+4915112345672', time: '2026-10-20T12:01:00.000Z', text: 'OK' }),
  ];
  const old = 'The code of the door is 4711';
  const call = (action: 'ReadMessage' | 'DeleteMessage', text: string, more: { key?: string } = {}) => {
    const message = idOf(text) ?? '';
    const messageId = house.cloud.messages.get(message)?.item.messageId ?? '';
    return house.cloud.call(house.phone.udn, action, { MessageID: messageId }, { message, ...more });
  };

  it('keeps the old messages unchanged beside the new ones', async () => {
    await open(listOf(...before));
    await house.cloud.until(() => held().size === 2);
    const kept = [...held()];
    list = listOf(...after);
    await house.cloud.until(() => held().size === 4 && deletions().length === 2);
    for (const [id, message] of kept) expect(held().get(id)).toEqual(message);
    expect(
      present()
        .map(({ event }) => event.message.body)
        .sort(),
    ).toEqual(['OK', 'Your train is late']);
    // The old storage returns.
    list = listOf(...before);
    await house.cloud.until(() => present().some(({ item }) => item.id === kept[0]?.[0]));
    await lookedAgain();
    expect(held().size).toBe(4);
    expect(
      present()
        .map(({ item }) => item.id)
        .sort(),
    ).toEqual(kept.map(([id]) => id).sort());
  });

  it.each(['ReadMessage', 'DeleteMessage'] as const)(
    'never gets %s for an old message, not even before the reset is noticed',
    async (action) => {
      await open(listOf(...before), { compareMs: 60_000 });
      await house.cloud.until(() => held().size === 2);
      const text = held().get(idOf(old) ?? '');
      list = listOf(...after);
      expect(await call(action, old)).toMatchObject({ type: 'failure', code: 'not-on-phone' });
      expect(changesAsked()).toBe(0);
      await house.cloud.until(() => held().size === 4);
      expect(held().get(idOf(old) ?? '')).toEqual(text);
      await call(action, 'Your train is late');
      expect(changesAsked()).toBe(1);
    },
  );

  it('gets calls for a renumbered message under its new identifier', async () => {
    await open(listOf(...before), { compareMs: 60_000 });
    await house.cloud.until(() => held().size === 2);
    list = listOf(...before.map((text, n) => text.replace(/<messageID>\d/, `<messageID>${n + 7}`)));
    await call('ReadMessage', old);
    expect(house.phone.callsOf('ReadMessage').map(({ given }) => given.get('MessageID'))).toEqual(['7']);
  });

  it('changes no message when an older cloud does not say which one it means', async () => {
    await open(listOf(...before), { compareMs: 60_000 });
    await house.cloud.until(() => held().size === 2);
    const kept = [...held()];
    list = listOf(...after);
    house.phone.messages = [
      house.phone.receive('Your train is late', {
        messageId: '1',
        from: { address: '+4915112345673' },
        time: '2026-10-20T12:00:00.000Z',
      }),
    ];
    await house.cloud.call(house.phone.udn, 'ReadMessage', { MessageID: '1' });
    await house.cloud.until(() => idOf('Your train is late') !== undefined);
    for (const [id, message] of kept) expect(held().get(id)).toEqual(message);
    await house.cloud.call(house.phone.udn, 'DeleteMessage', { MessageID: '1' });
    await house.cloud.until(() => deletions().some(({ requested }) => requested === true));
    expect(deletions().find(({ requested }) => requested === true)?.id).toBe(idOf('Your train is late'));
  });
});

describe('a message deleted by the household', () => {
  beforeEach(async () => {
    house = new House({}, { compareMs: 30, confirmMs: 80 });
    await house.start();
    await house.inStep();
  });
  const key = 'm_01KAPQ3Z5N0123456789ABCDEF';

  it.each(['the same identifier', 'another identifier'])(
    'is not reported again when the phone lists it in Deleted under %s',
    async (which) => {
      const body = 'Sold, thanks';
      const given = { MessageToSend: { ...house.phone.receive(body, { folder: 'Outgoing' }) } };
      house.phone.messages = [];
      await house.cloud.call(house.phone.udn, 'SendMessage', given, { key });
      await house.cloud.until(() => puts().some(({ id }) => id === key));
      const sent = house.phone.messages[0];
      const messageId = sent?.messageId ?? '';
      const answer = await house.cloud.call(
        house.phone.udn,
        'DeleteMessage',
        { MessageID: messageId },
        { message: key, key: 'delete-1' },
      );
      expect(answer).toMatchObject({ type: 'result' });
      await house.cloud.until(() => deletions().length === 1);
      expect(deletions()).toMatchObject([{ id: key, requested: true }]);
      const told = puts().length;
      const shownAs = which === 'the same identifier' ? messageId : 'trash-1';
      if (sent !== undefined) house.phone.messages = [{ ...sent, folder: 'Deleted', messageId: shownAs }];
      await lookedAgain(4);
      expect(puts()).toHaveLength(told);
      await house.restartAgent();
      await lookedAgain(4);
      expect(puts()).toHaveLength(told);
      // A repeat with the same key gets the same answer.
      const again = { message: key, key: 'delete-1' };
      expect(await house.cloud.call(house.phone.udn, 'DeleteMessage', { MessageID: messageId }, again)).toMatchObject({
        type: 'result',
      });
    },
  );
});

describe('message time', () => {
  const timeOf = (id: string) =>
    [...id.slice(2, 12)].reduce((sum, c) => sum * 32 + '0123456789ABCDEFGHJKMNPQRSTVWXYZ'.indexOf(c), 0);

  it('in the future is ordered as now, and reported as the phone states it', async () => {
    const startedMs = Date.now();
    await open(listOf(entry({ id: '1', time: '9999-12-31T23:59:59.000Z', text: 'Far' })));
    await house.cloud.until(() => held().size === 1);
    expect(timeOf(idOf('Far') ?? '')).toBeGreaterThanOrEqual(startedMs - 1000);
    expect(timeOf(idOf('Far') ?? '')).toBeLessThanOrEqual(Date.now());
    expect(held().get(idOf('Far') ?? '')?.time).toBe('9999-12-31T23:59:59.000Z');
  });

  it.each([
    ['the agent’s where the cloud agrees within a minute', 30_000, 0],
    ['the cloud’s where it does not', 2 * 86_400_000, 2 * 86_400_000],
    ['the cloud’s where the agent’s runs ahead', -3_600_000, -3_600_000],
  ])('omitted by the phone is %s', async (_words, clockSkewMs, expectedMs) => {
    await open(listOf(entry({ id: '1', text: 'Timeless' })), {}, { clockSkewMs });
    await house.cloud.until(() => held().size === 1);
    const time = Date.parse(held().get(idOf('Timeless') ?? '')?.time ?? '');
    expect(Math.abs(time - Date.now() - expectedMs)).toBeLessThan(30_000);
  });
});
