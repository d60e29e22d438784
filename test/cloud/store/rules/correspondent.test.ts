import fc from 'fast-check';
import { expect, test } from 'vitest';
import { correspondentOf, countryOf } from '../../../../cloud/store/rules/correspondent.ts';

test.each([
  [
    '+390110001',
    ['00390110001', '+39 011 0001', 'tel:+39-011-0001', '011 0001', '+39 (0)11 0001', 'Nonna <+390110001>'],
  ],
  [
    '+390110001',
    [
      'tel:011-0001;phone-context=+39',
      'sms:+390110001?body=x',
      '+390110001/TYPE=PLMN',
      '٠١١ ٠٠٠١',
      '\u202a+390110001\u202c',
    ],
  ],
  [
    '+393331234567',
    ['333 123 4567', '393331234567', '+39.333.123.4567', '+39\u00a0333\u00a01234567', '+39333‑123‑4567'],
  ],
  [
    'ada@example.org',
    [
      'Ada@Example.org',
      'mailto:ada@example.org',
      'MAILTO:ADA@example.org?subject=x',
      'Ada <ada@example.org>',
      '"L, Ada" <ada@EXAMPLE.org>',
      ' ada@example.org ',
    ],
  ],
  [
    'sip:ada@example.org',
    ['SIP:Ada@Example.org', 'sips:ada@example.org', 'sip:ada@example.org;transport=tcp', '<sip:ada@example.org>'],
  ],
  ['xmpp:ada@example.org', ['xmpp:Ada@example.org/phone', 'xmpp://ada@example.org', 'xmpp:ada@example.org?message']],
  ['+390110001;ext=12', ['tel:+39-011-0001;ext=12', '011 0001;ext=1-2']],
] as const)('%s is one correspondent in every spelling', (key, spellings) => {
  for (const spelling of [key, ...spellings]) expect(correspondentOf(spelling, 'IT'), spelling).toBe(key);
});

test.each([
  'Vodafone',
  'VODAFONE',
  '',
  '40404',
  '4040404',
  '112',
  '262966',
  '1234567',
  '+39 12',
  '+999 123 456 789',
  'I <3> you',
  'ada@',
  'tel:7042;phone-context=example.com',
  '+39 011 abc',
  'facebook:ada',
])('what is not known for sure stays as it is: %j', (address) => {
  expect(correspondentOf(address, 'IT')).toBe(address);
  expect(correspondentOf(address)).toBe(address);
});

test('without a country, a national number stays as it is, and an international one is known all the same', () => {
  expect(correspondentOf('011 0001')).toBe('011 0001');
  expect(correspondentOf('0039 011 0001')).toBe('+390110001');
});

test.each([
  ['DE', '030 1234567', '+49301234567'],
  ['DE', '1234567', '1234567'],
  ['GB', '07700 900123', '+447700900123'],
  ['US', '(212) 555-2368', '+12125552368'],
  ['US', '011 39 0110001', '+390110001'],
  ['US', '262966', '262966'],
  ['NO', '22 12 34 56', '+4722123456'],
])('in %s, %s is read as %s', (country, address, key) => {
  expect(correspondentOf(address, country)).toBe(key);
});

test('the same number is another person in another country, and a mailbox is none on another network', () => {
  expect(correspondentOf('030 1234567', 'DE')).not.toBe(correspondentOf('030 1234567', 'IT'));
  const networks = ['ada@example.org', 'sip:ada@example.org', 'xmpp:ada@example.org'];
  expect(new Set(networks.map((address) => correspondentOf(address))).size).toBe(3);
  expect(correspondentOf('+390110001;ext=12')).not.toBe(correspondentOf('+390110001'));
});

test('a country that nobody knows counts as none', () => {
  expect(correspondentOf('011 0001', 'ZZ')).toBe('011 0001');
});

test('a number tells its country, and nothing else does', () => {
  expect([countryOf('+390119999'), countryOf('0049301234567'), countryOf('011 0001'), countryOf('a@b.c')]).toEqual([
    'IT',
    'DE',
    undefined,
    undefined,
  ]);
});

/** Subscribers of one area, so that many are near each other. */
const subscriber = fc.integer({ min: 1_000_000, max: 1_000_300 });
const spell = [
  (digits: string) => `+39011${digits}`,
  (digits: string) => `0039011${digits}`,
  (digits: string) => `011 ${digits.slice(0, 3)} ${digits.slice(3)}`,
  (digits: string) => `+39 (011) ${digits}`,
  (digits: string) => `tel:+39-011-${digits}`,
  (digits: string) => `011/${digits.slice(0, 3)}-${digits.slice(3)}`,
];

test('two spellings have one key when, and only when, they are of one number', () => {
  const form = fc.constantFrom(...spell);
  fc.assert(
    fc.property(subscriber, subscriber, form, form, (one, other, writeOne, writeOther) => {
      const keys = [writeOne(String(one)), writeOther(String(other))].map((address) => correspondentOf(address, 'IT'));
      expect(keys[0] === keys[1]).toBe(one === other);
    }),
  );
});

test('a key is its own key, has one line, and no other text gets the key of a person', () => {
  const address = fc.oneof(fc.string(), fc.emailAddress(), fc.stringMatching(/^[+0-9 ()./-]{1,20}$/), fc.webUrl());
  fc.assert(
    fc.property(address, fc.constantFrom('IT', 'US', 'DE', undefined), (text, country) => {
      const key = correspondentOf(text, country);
      expect(correspondentOf(key, country)).toBe(key);
      // Digits are kept, but for prefixes at their beginning: different ends are different people.
      if (key !== text && /^\+\d+$/.test(key)) {
        expect(text.replace(/\D/g, '').endsWith(key.slice(1).slice(-5))).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});
