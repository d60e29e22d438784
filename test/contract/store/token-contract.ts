// The contract of Store: tokens and sign-in codes.
import { describe, expect, it } from 'vitest';
import type { TokenRecord } from '../../../cloud/store/token-store.ts';
import { home, minuteMs, type StoreUnderTest } from './store-under-test.ts';

export function tokensContract(at: StoreUnderTest): void {
  describe('tokens', () => {
    it('finds a token by its hash, and lists it by account, kind and home', async () => {
      const token = tokenRecord('t_1', { scopes: ['messages:read'], home });
      await at.store.tokens.create(token);
      await at.store.tokens.create(tokenRecord('t_2', { kind: 'agent' }));
      expect(await at.store.tokens.find('hash of t_1')).toEqual(token);
      expect(await at.store.tokens.list('account', { kind: 'api' })).toEqual([token]);
      expect(await at.store.tokens.list('account', { kind: 'api', home })).toEqual([token]);
      expect(await at.store.tokens.list('account', { kind: 'api', home: 'other' })).toEqual([]);
      expect(await at.store.tokens.list('other', { kind: 'api' })).toEqual([]);
    });

    it('does not return a token that is revoked or has expired', async () => {
      await at.store.tokens.create(tokenRecord('t_1'));
      await at.store.tokens.create(tokenRecord('t_2', { expiresAtMs: at.clock.nowMs + minuteMs }));
      expect(await at.store.tokens.revoke('other', 't_1')).toBe(false);
      expect(await at.store.tokens.revoke('account', 't_1')).toBe(true);
      expect(await at.store.tokens.revoke('account', 't_1')).toBe(false);
      expect(await at.store.tokens.find('hash of t_1')).toBeUndefined();
      expect(await at.store.tokens.find('hash of t_2')).toBeDefined();
      at.clock.nowMs += minuteMs;
      expect(await at.store.tokens.find('hash of t_2')).toBeUndefined();
      expect(await at.store.tokens.list('account', { kind: 'api' })).toEqual([]);
    });

    it('refuses a secret of another token in use, but not that of a revoked one', async () => {
      await at.store.tokens.create(tokenRecord('t_1', { hash: 'same' }));
      await expect(at.store.tokens.create(tokenRecord('t_2', { hash: 'same' }))).rejects.toMatchObject({
        code: 'conflict',
      });
      await at.store.tokens.revoke('account', 't_1');
      await at.store.tokens.create(tokenRecord('t_3', { hash: 'same' }));
      expect(await at.store.tokens.find('same')).toMatchObject({ id: 't_3' });
    });

    it('keeps the opener, the device and the last use of a session', async () => {
      const session = tokenRecord('t_1', { kind: 'session', openedBy: 't_0', device: 'Firefox on Linux' });
      await at.store.tokens.create(session);
      await at.store.tokens.touch('account', 't_1', at.clock.nowMs + minuteMs);
      const used = { ...session, lastUsedMs: at.clock.nowMs + minuteMs };
      expect(await at.store.tokens.find('hash of t_1')).toEqual(used);
      expect(await at.store.tokens.list('account', { kind: 'session' })).toEqual([used]);
    });

    it('does not restore a token by noting its use', async () => {
      await at.store.tokens.create(tokenRecord('t_1'));
      await at.store.tokens.revoke('account', 't_1');
      await at.store.tokens.touch('account', 't_1', at.clock.nowMs);
      await at.store.tokens.touch('account', 't_2', at.clock.nowMs);
      expect(await at.store.tokens.find('hash of t_1')).toBeUndefined();
      expect(await at.store.tokens.list('account', { kind: 'api' })).toEqual([]);
    });

    it('bars a secret from being used again', async () => {
      await at.store.tokens.bar('hash of t_1');
      await at.store.tokens.bar('hash of t_1');
      expect(await at.store.tokens.isBarred('hash of t_1')).toBe(true);
      expect(await at.store.tokens.isBarred('hash of t_2')).toBe(false);
    });

    it('lets one of many concurrent callers take a sign-in token', async () => {
      await at.store.tokens.create(tokenRecord('t_1', { kind: 'sign-in' }));
      const takers = await Promise.all(Array.from({ length: 50 }, () => at.store.tokens.take('hash of t_1')));
      expect(takers.filter((taken) => taken !== undefined)).toMatchObject([{ id: 't_1' }]);
      expect(await at.store.tokens.find('hash of t_1')).toBeUndefined();
    });

    it('takes no token of another kind, and no expired one', async () => {
      await at.store.tokens.create(tokenRecord('t_1', { kind: 'owner' }));
      await at.store.tokens.create(tokenRecord('t_2', { kind: 'sign-in', expiresAtMs: at.clock.nowMs }));
      expect(await at.store.tokens.take('hash of t_1')).toBeUndefined();
      expect(await at.store.tokens.take('hash of t_2')).toBeUndefined();
      expect(await at.store.tokens.find('hash of t_1')).toBeDefined();
    });
  });

  function tokenRecord(id: string, more: Partial<TokenRecord> = {}): TokenRecord {
    return {
      id,
      kind: 'api',
      hash: `hash of ${id}`,
      account: 'account',
      home: null,
      name: 'script',
      scopes: [],
      createdAtMs: at.clock.nowMs,
      expiresAtMs: null,
      revokedAtMs: null,
      ...more,
    };
  }
}
