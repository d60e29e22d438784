// Secrets of tokens: 256 random bits, shown once; only their SHA-256 is kept.
import { hash, randomBytes } from 'node:crypto';

/** `hl_` and 43 base64url characters: easy for secret scanners to find, impossible to guess. */
export function newSecret(): string {
  return `hl_${randomBytes(32).toString('base64url')}`;
}

/** SHA-256 as hex. No salt and no stretching: the secrets are random, and they are looked up by this value. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}
