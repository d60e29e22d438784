// The seam Blobs: texts that are too large for an item of the table. A folder on Node, R2 on Workers.

export interface Blobs {
  /** Stores a text. Names are derived from contents, so that a repeated put is idempotent. */
  put(name: string, text: string): Promise<void>;
  get(name: string): Promise<string | undefined>;
  /** Resolves also when there is no such blob. */
  delete(name: string): Promise<void>;
}

/** Blobs below `until/<day>/` are no longer needed after that day (UTC): a lifecycle rule may delete them. */
export const expiringFolder = 'until';
