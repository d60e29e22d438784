// The phone's persistent identity: its UDN (requirement H9) and a BOOTID that only grows (requirement H8).
import { randomUUID } from 'node:crypto';
import type { PhoneDatabase } from './database.ts';

export interface Identity {
  /** `uuid:…` */
  readonly udn: string;
  /** BOOTID.UPNP.ORG of this start. */
  readonly bootId: number;
}

/** Reads the identity, or creates it on the first start, and assigns this start's BOOTID. */
export function countStart(database: PhoneDatabase, nowMs: number): Promise<Identity> {
  const read = database.prepare('SELECT value FROM facts WHERE name = ?');
  const write = database.prepare('INSERT INTO facts VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value');
  return database.write(() => {
    const known = read.get('udn')?.value;
    const udn = known === undefined ? `uuid:${randomUUID()}` : String(known);
    if (known === undefined) write.run('udn', udn);
    const bootId = nextBootId(Number(read.get('bootId')?.value ?? 0), nowMs);
    write.run('bootId', String(bootId));
    return { udn, bootId };
  });
}

/** Assigns and persists the next BOOTID while the phone runs. */
export function keepBootId(database: PhoneDatabase, bootId: number, nowMs: number): number {
  const next = nextBootId(bootId, nowMs);
  database.prepare("UPDATE facts SET value = ? WHERE name = 'bootId'").run(String(next));
  return next;
}

/** The next BOOTID: the time in seconds, so that it grows even if the file was lost, within 31 bits. */
export function nextBootId(previous: number, nowMs: number): number {
  return Math.max(previous + 1, Math.floor(nowMs / 1000)) % 2 ** 31;
}
