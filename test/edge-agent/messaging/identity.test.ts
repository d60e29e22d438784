import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fingerprintOf,
  isMessageKey,
  isReused,
  messageKey,
  sessionKey,
  timeOfKey,
} from '../../../edge-agent/messaging/identity.ts';
import { edgeEventSchema } from '../../../protocol/frames.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';

const udn = 'uuid:phone-1';
const message = sampleMessage();

describe('identifiers', () => {
  it('are the same for the same message, whoever asks and whenever', () => {
    const time = Date.parse(message.time);
    expect(messageKey(udn, 0, '1', time)).toBe(messageKey(udn, 0, '1', time));
    expect(messageKey(udn, 0, '1', time)).toMatch(/^m_01[0-9A-HJKMNP-TV-Z]{24}$/);
  });

  it('differ by phone, epoch and the phone’s own identifier, and cannot be confused by their parts', () => {
    const keys = [
      messageKey(udn, 0, '1', 0),
      messageKey(udn, 1, '1', 0),
      messageKey(udn, 0, '2', 0),
      messageKey('uuid:phone-10', 0, '1', 0),
      messageKey('uuid:phone-1', 0, '01', 0),
      messageKey('uuid:phone-1","0', 0, '1', 0),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('sort by the message’s time, and give it back', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 47 }), fc.nat({ max: 2 ** 47 }), fc.string(), (one, other, id) => {
        const [first, second] = [messageKey(udn, 0, id, one), messageKey(udn, 0, id, other)];
        expect(timeOfKey(first)).toBe(one);
        expect(first < second).toBe(one < other);
      }),
    );
  });

  it('are what the contract wants of them, for any strings and times', () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.string(), fc.double(), (phone, epoch, id, time) => {
        const key = messageKey(phone, epoch, id, Number.isNaN(time) ? 0 : time);
        expect(isMessageKey(key)).toBe(true);
        const deleted = { type: 'message.deleted', udn: 'u', epoch, id: key };
        expect(edgeEventSchema.safeParse(deleted).success).toBe(true);
        expect(sessionKey(phone, epoch, id)).toMatch(/^s_[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
      }),
    );
  });
});

describe('fingerprints', () => {
  const known = fingerprintOf(message);

  it('change with anything in the message, and fit the contract', () => {
    expect(fingerprintOf({ ...message, status: 'Read' })).not.toBe(known);
    expect(fingerprintOf({ ...message })).toBe(known);
    expect(known.length).toBeLessThanOrEqual(64);
  });

  it('tell a changed message from a reused identifier', () => {
    const changed = { ...message, status: 'Read', folder: 'Deleted', body: 'edited' } as const;
    expect(isReused(known, fingerprintOf(changed))).toBe(false);
    expect(isReused(known, fingerprintOf({ ...message, from: { address: '+49' } }))).toBe(true);
    expect(isReused(known, fingerprintOf({ ...message, messageClass: 'MMS' }))).toBe(true);
    expect(isReused(known, fingerprintOf({ ...message, time: '2026-11-23T19:00:00.000Z' }))).toBe(true);
    expect(isReused('', known)).toBe(false);
  });

  it('let a message on its way out get its time when it has gone', () => {
    const outgoing = fingerprintOf({ ...message, folder: 'Outgoing' });
    const sent = fingerprintOf({ ...message, folder: 'Sent', time: '2026-11-22T19:00:05.000Z' });
    expect(isReused(outgoing, sent)).toBe(false);
    expect(isReused(sent, fingerprintOf({ ...message, folder: 'Sent' }))).toBe(true);
  });
});
