// Token secrets: 256 random bits, shown once; only the SHA-256 is stored.
import { hash, randomBytes } from 'node:crypto';

/** `hl_` and 43 base64url characters; secret scanners find the prefix. */
export function newSecret(): string {
  return `hl_${randomBytes(32).toString('base64url')}`;
}

/** SHA-256 as hex. No salt and no stretching: the secrets are random and are looked up by this value. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex');
}
