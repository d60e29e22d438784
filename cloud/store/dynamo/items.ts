// Items of the table: a record as JSON with the keys by which it is found; what is large stands in a blob beside it.
import { createHash } from 'node:crypto';
import { type Blobs, expiringFolder } from '../blobs.ts';
import { attributes } from '../table.ts';
import type { Item } from './engine.ts';
import type { Key } from './keys.ts';

/** Bytes of JSON within an item. DynamoDB takes 400 KB, but each kilobyte is paid at each write, and three times. */
const inlineBytes = 100_000;

/** Where else an item is found, and until when. */
export interface Placement {
  /** Partition in index 1. */
  group?: string | undefined;
  /** Partition and place in index 2. */
  list?: { partition: string; place: string } | undefined;
  expiresAtMs?: number | undefined;
}

/** An item that is about to be written. */
export interface Draft {
  key: Key<unknown>;
  revision: number;
  json: string;
  placement: Placement;
}

export interface Known {
  /** 0: it is not there. */
  revision: number;
  data: unknown;
  /** The name of the blob that holds it. */
  blob?: string;
}

export function draftBytes(draft: Draft): number {
  return Math.min(Buffer.byteLength(draft.json), inlineBytes) + 1_000;
}

export class Items {
  readonly #blobs: Blobs;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /** The item to be written, whose blob, if it has one, is there already. */
  async encode({ key, revision, json, placement }: Draft): Promise<Item> {
    const { group, list, expiresAtMs } = placement;
    const item: Item = {
      [attributes.partition]: key.pk,
      [attributes.sort]: key.sk,
      [attributes.revision]: revision,
      ...(group !== undefined && { [attributes.group]: group }),
      ...(list !== undefined && { [attributes.list]: list.partition, [attributes.place]: list.place }),
      ...(expiresAtMs !== undefined && { [attributes.expiry]: Math.ceil(expiresAtMs / 1_000) }),
    };
    if (Buffer.byteLength(json) <= inlineBytes) return { ...item, [attributes.record]: json };
    const blob = blobName(key, json, expiresAtMs);
    await this.#blobs.put(blob, json);
    return { ...item, [attributes.blob]: blob };
  }

  /** Undefined if its blob is missing. */
  async decode(item: Item): Promise<Known | undefined> {
    const revision = Number(item[attributes.revision]);
    const record = item[attributes.record];
    if (typeof record === 'string') return { revision, data: JSON.parse(record) };
    const blob = String(item[attributes.blob]);
    const json = await this.#blobs.get(blob);
    return json === undefined ? undefined : { revision, data: JSON.parse(json), blob };
  }

  /** Whether a read found it too late to be there: DynamoDB deletes such items only later. */
  isExpired(item: Item, nowMs: number): boolean {
    const expiry = item[attributes.expiry];
    return typeof expiry === 'number' && expiry * 1_000 <= nowMs;
  }

  /** Of what is gone or was replaced. A blob that stays behind does no harm. */
  async forget(blob: string): Promise<void> {
    await this.#blobs.delete(blob).catch(() => undefined);
  }
}

function blobName(key: Key<unknown>, json: string, expiresAtMs: number | undefined): string {
  const folder =
    expiresAtMs === undefined ? 'kept' : `${expiringFolder}/${new Date(expiresAtMs).toISOString().slice(0, 10)}`;
  return `${folder}/${hash(key.pk).slice(0, 32)}/${hash(`${key.sk}\n${json}`)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
