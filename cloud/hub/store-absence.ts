// A store that does not answer for a while: how it is recognised, and how long until it is asked again.
import { GatewayError } from '../../protocol/errors.ts';

export const firstDelayMs = 500;
const longestDelayMs = 30_000;

/** The wait after a wait of `delayMs`. */
export function longer(delayMs: number): number {
  return Math.min(delayMs * 2, longestDelayMs);
}

export function isUnavailable(error: unknown): error is GatewayError {
  return error instanceof GatewayError && error.code === 'store-unavailable';
}
