// A store that does not answer for a while: how it is recognised, and when it is asked again.
import { GatewayError } from '../../protocol/errors.ts';
import type { BackOffTimes } from '../../shared/back-off.ts';

export const storeAbsenceTimes: BackOffTimes = { firstMs: 500, capMs: 30_000 };

export function isUnavailable(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'store-unavailable';
}
