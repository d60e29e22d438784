// Hostile control points and correspondents: the phone keeps working and keeps its messages.
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type ActionName, actionNames, actions } from '../../../protocol/actions.ts';
import { Fault, nonna, type PhoneUnderTest, startPhone, until } from './phone-under-test.ts';

let home: PhoneUnderTest;
beforeEach(async () => {
  home = await startPhone();
});
afterEach(() => home.stop());

const xmlText = fc.string({ unit: 'grapheme', maxLength: 200 });

it('answers any strings in any action with a result or a fault, and keeps working', async () => {
  const call = fc.constantFrom(...actionNames).chain((action: ActionName) => {
    const names = Object.keys(actions[action].in);
    const value = fc.oneof(
      xmlText,
      fc.constantFrom(
        'ANY',
        '',
        '<a/>',
        '<message/>',
        '<message xmlns="urn:homeline:messaging:1"><recipients/></message>',
        's-1',
        'm-1',
      ),
    );
    return fc
      .tuple(...names.map((name) => value.map((text) => [name, text] as const)))
      .map((args) => ({ action, args }));
  });
  await fc.assert(
    fc.asyncProperty(call, async ({ action, args }) => {
      try {
        await home.control.call(action, args);
      } catch (error) {
        expect(error).toBeInstanceOf(Fault);
        const { code } = error as Fault;
        expect(code).toBeGreaterThanOrEqual(600);
      }
    }),
    { numRuns: 300 },
  );
  expect(await home.control.messages()).toBeDefined();
});

it('keeps any incoming text except characters that XML forbids', async () => {
  await fc.assert(
    fc.asyncProperty(xmlText, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 50 }), async (body, address) => {
      const id = await home.line.events.arrived({ messageClass: 'SMS', from: { address }, body });
      const message = (await home.control.messages({ MessageStatus: 'Unread' })).find(
        ({ messageId }) => messageId === id,
      );
      expect(message?.body).toBe(body);
    }),
    { numRuns: 40 },
  );
});

it.each(['007', '1e5', '00390110001', '*#06#', '12345', 'sip:a@b.c;x=y', 'BANK', ' +39 ', 'tel:+39-011'])(
  'keeps the sender %s a string',
  async (address) => {
    await home.line.events.arrived({ messageClass: 'SMS', from: { address }, body: '1e5' });
    const [message] = await home.control.messages();
    expect(message?.from.address.trim()).toBe(address.trim());
    expect(message?.body).toBe('1e5');
  },
);

it('loses none of many concurrent messages', async () => {
  const bodies = Array.from({ length: 500 }, (_, index) => `number ${index}`);
  await Promise.all(bodies.map((body) => home.line.events.arrived({ messageClass: 'SMS', from: nonna, body })));
  expect((await home.control.messages()).map(({ body }) => body)).toEqual(bodies);
});

it('deletes sent messages when full, never unread ones', async () => {
  await home.line.events.arrived({ messageClass: 'SMS', from: nonna, body: 'unread' });
  for (let batch = 0; batch < 12; batch++) {
    await Promise.all(Array.from({ length: 100 }, () => home.control.send({})));
  }
  await until(async () => (await home.control.messages({ MessageFolder: 'Outgoing' })).length === 0);
  await home.control.send({});
  const held = await home.control.messages();
  expect(held.length).toBeLessThan(1200);
  expect(held[0]).toMatchObject({ body: 'unread' });
  expect(home.reported.some((line) => line.includes('memory is full'))).toBe(true);
});
