// The phones of the LAN: the network that carries their messages, and their links, which the approvals open.
import type { FrameHandlers } from '../protocol/frame-handlers.ts';
import type { CloudFrame } from '../protocol/frames.ts';
import type { Phones } from './phones.ts';
import type { GenaSubscriber } from './upnp/eventing/gena.ts';
import type { LanNetwork } from './upnp/network/network.ts';

/** The agent stops within 3 s: a phone that does not answer its UNSUBSCRIBE gets this much of them. */
const stopPhonesWithinMs = 2000;

/** The links to the phones. They stop before the tunnel, so that acknowledgements in flight still arrive. */
export class LanPhones {
  readonly #phones: Phones;
  readonly frames: Pick<FrameHandlers<CloudFrame>, 'approvals'>;

  /** `hasApprovals`: whether the cloud has sent approvals on this connection before. */
  constructor(phones: Phones, hasApprovals: () => boolean) {
    this.#phones = phones;
    this.frames = {
      approvals: ({ approved, evidence }) => {
        // With the first approvals the agent can compare what the cloud knows with what the phones have.
        if (!hasApprovals()) phones.resync();
        phones.approve(approved, evidence);
      },
    };
  }

  start(): void {
    this.#phones.start();
  }

  async stop(): Promise<void> {
    await within(stopPhonesWithinMs, this.#phones.stop());
  }
}

/** What the links need. It stops after them, and ends those that are late. */
export class PhoneNetwork {
  readonly #network: LanNetwork;
  readonly #subscriber: GenaSubscriber;
  readonly #phones: Phones;

  constructor(network: LanNetwork, subscriber: GenaSubscriber, phones: Phones) {
    this.#network = network;
    this.#subscriber = subscriber;
    this.#phones = phones;
  }

  async start(): Promise<void> {
    await this.#network.start();
    try {
      await this.#subscriber.start();
    } catch (error) {
      await this.#network.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.#subscriber.stop();
    await this.#network.stop();
    // A link that was late ends with its requests, before the database that it writes to is closed.
    await this.#phones.stop();
  }
}

/** Resolves with the work or after the time, whichever is first. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, late]);
  clearTimeout(timer);
}
