import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isMessageKey, messageKey, sessionKey, timeOfKey } from '../../../edge-agent/messaging/identity.ts';
import { edgeEventSchema } from '../../../protocol/frames.ts';
import { sampleMessage } from '../../fixtures/phone/sample-message.ts';

const udn = 'uuid:phone-1';
const message = sampleMessage();

describe('identifiers', () => {
  it('are deterministic', () => {
    const time = Date.parse(message.time);
    expect(messageKey(udn, 0, '1', time)).toBe(messageKey(udn, 0, '1', time));
    expect(messageKey(udn, 0, '1', time)).toMatch(/^m_01[0-9A-HJKMNP-TV-Z]{24}$/);
  });

  it('differ by phone, epoch and the phone’s own identifier, without ambiguous concatenation', () => {
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

  it('sort by the message’s time and contain it', () => {
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 47 }), fc.nat({ max: 2 ** 47 }), fc.string(), (one, other, id) => {
        const [first, second] = [messageKey(udn, 0, id, one), messageKey(udn, 0, id, other)];
        expect(timeOfKey(first)).toBe(one);
        expect(first < second).toBe(one < other);
      }),
    );
  });

  it('fit the contract for any strings and times', () => {
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
