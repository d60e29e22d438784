// A store that is unavailable for a while: how to recognise it, and when to ask it again.
import { GatewayError } from '../../protocol/errors.ts';
import type { BackOffTimes } from '../../shared/back-off.ts';

export const storeAbsenceTimes: BackOffTimes = { firstMs: 500, capMs: 30_000 };

export function isUnavailable(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'store-unavailable';
}
