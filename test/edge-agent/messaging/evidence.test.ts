// Matching of listed messages: the table of docs/decisions/0011-identity-by-evidence.md, row by row.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compareEvidence,
  fingerprintOf,
  fingerprintOfSend,
  isUnchanged,
  legacyFingerprintOf,
  mergeFingerprints,
  messageEvidenceOf,
  readFingerprint,
} from '../../../edge-agent/messaging/evidence.ts';
import { messageClasses, messageFolders } from '../../../protocol/actions.ts';
import type { PhoneMessage } from '../../../protocol/phone-model.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';

const message = sampleMessage({ body: 'Dinner at 8?', time: '2026-11-20T18:30:12.345Z' });
const shifted = (quarters: number, time = message.time) =>
  new Date(Date.parse(time) + quarters * 15 * 60_000).toISOString();
const other = { body: 'Your parcel has arrived', from: { address: '+390110003' }, time: '2026-11-27T09:00:00.000Z' };

describe('a fingerprint', () => {
  it('fits the contract, round-trips the evidence, and changes with anything in the message', () => {
    fc.assert(
      fc.property(
        fc.record({
          body: fc.string(),
          subject: fc.string(),
          from: fc.record({ address: fc.string(), displayName: fc.string() }),
          time: fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true }),
          messageClass: fc.constantFrom(...messageClasses),
          folder: fc.constantFrom(...messageFolders),
        }),
        ({ time, ...more }) => {
          const any = sampleMessage({ ...more, time: time.toISOString() });
          const fingerprint = fingerprintOf(any);
          expect(fingerprint.length).toBeLessThanOrEqual(64);
          expect(readFingerprint(fingerprint)).toEqual(messageEvidenceOf(any));
          expect(isUnchanged(fingerprint, any, fingerprint)).toBe(true);
          const changed: PhoneMessage = { ...any, status: 'Read', contentType: 'text/html' };
          expect(isUnchanged(fingerprint, changed, fingerprintOf(changed))).toBe(false);
        },
      ),
    );
  });

  it('keeps what a later list omits', () => {
    const { time: _, ...rest } = message;
    const bare = { ...rest, time: '1970-01-01T00:00:00.000Z', body: '', bodyOmitted: true } as const;
    const merged = mergeFingerprints(fingerprintOf(message), fingerprintOf(bare));
    const { text, timeMs } = messageEvidenceOf(message);
    expect(readFingerprint(merged)).toMatchObject({ text, timeMs });
    expect(isUnchanged(merged, bare, fingerprintOf(bare))).toBe(true);
  });
});

describe('the same message', () => {
  it.each([
    ['read, and moved to another folder', { status: 'Read', folder: 'Deleted' }],
    ['with seconds rounded down', { time: '2026-11-20T18:30:12.000Z' }],
    ['with seconds rounded up', { time: '2026-11-20T18:30:13.000Z' }],
    ['with the minute alone', { time: '2026-11-20T18:30:00.000Z' }],
    ['with its sender spelled with two zeros', { from: { address: '0039 011 0001' } }],
    ['with its sender as a URI', { from: { address: 'tel:+39-011-0001' } }],
    ['with its sender as the contact’s name', { from: { address: 'Nonna' } }],
    ['with the contact’s name beside the number', { from: { address: '+390110001', displayName: 'Nonna' } }],
    ['as MMS', { messageClass: 'MMS' }],
    ['with its text decoded otherwise', { body: 'Dinner at 8? È pronto' }],
    ['with a picture that came later', { attachments: [{ name: 'a.jpg', contentType: 'image/jpeg', sizeBytes: 1 }] }],
    ['with other line ends and blanks around it', { body: ' Dinner at 8?\r\n' }],
  ] as const)('%s', (_words, changed) => {
    expect(compareEvidence(fingerprintOf(message), { ...message, ...changed } as PhoneMessage)).toBe('same');
  });

  it('is likely at any shift of zone or daylight saving, also rounded and renamed', () => {
    for (let quarters = -56; quarters <= 56; quarters++) {
      if (quarters === 0) continue;
      const time = `${shifted(quarters).slice(0, 19)}.000Z`;
      expect(compareEvidence(fingerprintOf(message), { ...message, time })).toBe('likely');
      expect(compareEvidence(fingerprintOf(message), { ...message, time, from: { address: 'Nonna' } })).toBe('likely');
    }
    expect(compareEvidence(fingerprintOf(message), { ...message, time: shifted(57) })).toBe('doubtful');
    expect(compareEvidence(fingerprintOf(message), { ...message, time: shifted(-57) })).toBe('doubtful');
  });

  it.each([
    ['got a time', '1970-01-01T00:00:00.000Z', message.time],
    ['lost its time', message.time, '1970-01-01T00:00:00.000Z'],
    ['came before the clock was set', '1970-01-03T02:11:40.000Z', message.time],
    ['came from the year 9999', '9999-12-31T23:59:59.000Z', message.time],
  ])('is likely when it %s', (_words, before, after) => {
    expect(compareEvidence(fingerprintOf({ ...message, time: before }), { ...message, time: after })).toBe('likely');
  });

  it('is likely when its text arrives later', () => {
    const announced = { ...message, body: '', bodyOmitted: true } as const;
    expect(compareEvidence(fingerprintOf(announced), { ...message, messageClass: 'MMS' })).toBe('same');
    expect(compareEvidence(fingerprintOf(announced), { ...message, time: shifted(4) })).toBe('likely');
  });

  it('is likely when a sent message is listed', () => {
    const listed = { ...message, folder: 'Sent', from: { address: '+390119999' } } as const;
    expect(compareEvidence(fingerprintOfSend(message), listed)).toBe('likely');
    expect(compareEvidence(fingerprintOfSend(message), { ...listed, to: [{ address: '+390110007' }] })).not.toBe(
      'likely',
    );
    expect(compareEvidence('', listed)).toBe('likely');
  });

  it('is doubtful when its time differs: the clock was wrong, or the phone was reset', () => {
    expect(compareEvidence(fingerprintOf(message), { ...message, time: other.time })).toBe('doubtful');
  });
});

describe('another message', () => {
  it.each([
    ['with other text, sender and time', other],
    ['with other text and time of the same sender', { ...other, from: message.from }],
    ['with other text and sender at the same time', { ...other, time: message.time }],
    ['with other text, an hour later', { body: 'Where are you?', time: shifted(4) }],
  ])('%s', (_words, changed) => {
    expect(compareEvidence(fingerprintOf(message), { ...message, ...changed })).toBe('other');
  });

  it.each([
    ['the same word of another sender at another time', { from: { address: '+390110002' }, time: other.time }],
    ['the same word of another sender an hour later', { from: { address: '+390110002' }, time: shifted(4) }],
  ])('%s', (_words, changed) => {
    expect(compareEvidence(fingerprintOf(message), { ...message, ...changed })).toBe('different');
  });

  it('of a phone without times is not mistaken for one with another text', () => {
    const timeless = { ...message, time: '1970-01-01T00:00:00.000Z' };
    expect(compareEvidence(fingerprintOf(timeless), { ...timeless, body: 'Where are you?' })).toBe('different');
    expect(compareEvidence(fingerprintOf(timeless), { ...timeless, ...other, time: timeless.time })).toBe('other');
  });
});

describe('a fingerprint in the previous format', () => {
  const known = legacyFingerprintOf(message);

  it('is recognised as unchanged', () => {
    expect(known).toMatch(/^[\w-]{14}\.[\w-]{8}\.[\w-]{20}$/);
    expect(isUnchanged(known, message, fingerprintOf(message))).toBe(true);
    expect(isUnchanged(known, { ...message, status: 'Read' }, '')).toBe(false);
  });

  it.each([
    ['read', { status: 'Read' }, 'same'],
    ['as MMS', { messageClass: 'MMS' }, 'same'],
    ['with its sender spelled otherwise', { from: { address: 'Nonna' } }, 'likely'],
    ['an hour later', { time: shifted(4) }, 'likely'],
    ['without a time', { time: '1970-01-01T00:00:00.000Z' }, 'likely'],
    ['another message', other, 'other'],
    ['another message of the same sender', { ...other, from: message.from }, 'other'],
  ] as const)('%s', (_words, changed, judgement) => {
    expect(compareEvidence(known, { ...message, ...changed } as PhoneMessage)).toBe(judgement);
  });
});
