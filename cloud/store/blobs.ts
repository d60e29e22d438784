// The seam Blobs: texts that are too large for an item of the table. A folder on Node, R2 on Workers.

export interface Blobs {
  /** Keeps a text. The name tells the content, so that putting it again changes nothing. */
  put(name: string, text: string): Promise<void>;
  get(name: string): Promise<string | undefined>;
  /** Also when it is not there. */
  delete(name: string): Promise<void>;
}

/** Blobs below `until/<day>/` are no longer needed after that day (UTC): a lifecycle rule may take them. */
export const expiringFolder = 'until';
