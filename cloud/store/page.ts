// Pages of a store's lists.
export interface Page<Item> {
  items: Item[];
  /** Opaque, bound to home and filter; null on the last page. */
  next: string | null;
}

export interface PageRequest {
  /** 1–200. */
  limit: number;
  cursor?: string | undefined;
}
