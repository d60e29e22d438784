// Tells the agent what the cloud knows of a phone's messages, a page at a time (protocol/README.md §5).
import { GatewayError } from '../../protocol/errors.ts';
import type { CloudFrame, EdgeFrame, FrameOf } from '../../protocol/frames.ts';
import type { Store } from '../store/store.ts';
import type { PhoneRegistry } from './phone-registry.ts';

const pageItems = 1000;

interface InventoryHome {
  readonly id: string;
  readonly phoneRegistry: PhoneRegistry;
}

/** @throws GatewayError `store-unavailable` */
export async function answerInventory(
  { udn, after }: FrameOf<EdgeFrame, 'inventory'>,
  home: InventoryHome,
  store: Store,
  send: (frame: CloudFrame) => void,
): Promise<void> {
  await home.phoneRegistry.load();
  const phone = home.phoneRegistry.byUdn(udn);
  if (phone === undefined) {
    send({ type: 'inventory', udn, items: [] });
    return;
  }
  for (let limit = pageItems; limit >= 1; limit = Math.floor(limit / 8)) {
    const page = await store.messages.inventory(home.id, phone.id, { after, limit });
    try {
      send({ type: 'inventory', udn, ...page });
      return;
    } catch (error) {
      // A phone may have very long identifiers: a smaller page fits the frame.
      if (!(error instanceof GatewayError) || error.code !== 'frame-too-large') throw error;
    }
  }
}
