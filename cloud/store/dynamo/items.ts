// Items of the table: a packed record with its keys; a large record is in a blob.
import { createHash } from 'node:crypto';
import { GatewayError } from '../../../protocol/errors.ts';
import { type Blobs, expiringFolder } from '../blobs.ts';
import { attributes } from '../table.ts';
import type { Item } from './engine.ts';
import type { Key } from './keys.ts';
import { joined, partsOf } from './message-parts.ts';
import { pack, unpackRecord } from './packing.ts';

/** Largest record within an item, in bytes. DynamoDB takes 400 KB, but charges each write by size. */
const inlineBytes = 100_000;
/** Bytes of attribute names, numbers and the item's own overhead. */
const overheadBytes = 30;

/** The item's keys in the indexes, and its expiry. */
export interface Placement {
  /** Partition in index 1. */
  group?: string | undefined;
  /** Partition in index 2. */
  list?: string | undefined;
  expiresAtMs?: number | undefined;
}

/** An item to be written. */
export interface Draft {
  key: Key<unknown>;
  revision: number;
  placement: Placement;
  /** Undefined for a deleted record, whose item stays without one. */
  record: { json: string; packed: Uint8Array; aside?: Uint8Array | undefined } | undefined;
}

export interface Known {
  /** 0: the item was never written. */
  revision: number;
  data: unknown;
  /** The name of the blob that holds the record. */
  blob?: string;
}

export function draftOf(key: Key<unknown>, revision: number, data: unknown, placement: Placement = {}): Draft {
  if (data === undefined) return { key, revision, placement, record: undefined };
  const { shown, aside } = partsOf(key.sk, data);
  const record = {
    json: JSON.stringify(data),
    packed: pack(JSON.stringify(shown)),
    aside: aside && pack(JSON.stringify(aside)),
  };
  return { key, revision, placement, record };
}

/** The item's size in the table, without indexes, and as if no blob held its record. */
export function bytesOf({ key, record }: Draft): number {
  return key.pk.length + key.sk.length + overheadBytes + (record?.packed.byteLength ?? 0);
}

export class Items {
  readonly #blobs: Blobs;

  constructor(blobs: Blobs) {
    this.#blobs = blobs;
  }

  /** The item to be written. Stores its blob, if it needs one, first. */
  async encode({ key, revision, record, placement }: Draft): Promise<Item> {
    const { group, list, expiresAtMs } = placement;
    const item: Item = {
      [attributes.partition]: key.pk,
      [attributes.sort]: key.sk,
      [attributes.revision]: revision,
      ...(group !== undefined && { [attributes.group]: group }),
      ...(list !== undefined && { [attributes.list]: list }),
      ...(expiresAtMs !== undefined && { [attributes.expiry]: Math.ceil(expiresAtMs / 1_000) }),
    };
    if (record === undefined) return item;
    const { packed, aside } = record;
    if (packed.byteLength + (aside?.byteLength ?? 0) <= inlineBytes) {
      return { ...item, [attributes.record]: packed, ...(aside !== undefined && { [attributes.aside]: aside }) };
    }
    const blob = blobName(key, revision, record.json, expiresAtMs);
    await this.#blobs.put(blob, record.json);
    return { ...item, [attributes.blob]: blob };
  }

  /** Undefined if the blob is missing. The revision is 0 if the read did not project it. */
  async decode(item: Item): Promise<Known | undefined> {
    const revision = Number(item[attributes.revision] ?? 0);
    const [packed, aside] = [item[attributes.record], item[attributes.aside]];
    if (packed instanceof Uint8Array) {
      const shown = JSON.parse(unpackRecord(packed));
      const parts = { shown, aside: aside instanceof Uint8Array ? JSON.parse(unpackRecord(aside)) : undefined };
      return { revision, data: joined(parts) };
    }
    if (item[attributes.blob] === undefined) return { revision, data: undefined };
    const blob = String(item[attributes.blob]);
    const json = await this.#blobs.get(blob);
    return json === undefined ? undefined : { revision, data: JSON.parse(json), blob };
  }

  /** Whether the item has expired: DynamoDB may take days to delete it. */
  isExpired(item: Item, nowMs: number): boolean {
    const expiry = item[attributes.expiry];
    return typeof expiry === 'number' && expiry * 1_000 <= nowMs;
  }

  /** Deletes the blob of a deleted or replaced record. A leftover is harmless. */
  async forget(blob: string): Promise<void> {
    await this.#blobs.delete(blob).catch(() => undefined);
  }
}

export function lostText(): GatewayError {
  return new GatewayError('store-unavailable', 'A stored text is missing where large texts are kept: restore it.');
}

/** Includes the revision, so that no two writes share a blob that one of them deletes. */
function blobName(key: Key<unknown>, revision: number, json: string, expiresAtMs: number | undefined): string {
  const folder =
    expiresAtMs === undefined ? 'kept' : `${expiringFolder}/${new Date(expiresAtMs).toISOString().slice(0, 10)}`;
  return `${folder}/${hash(key.pk).slice(0, 32)}/${hash(`${key.sk}\n${revision}\n${json}`)}`;
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
