// Requests to one device, guarded on all of its URLs, also after name resolution and redirects. Requirements Z1, Z2, Z5.
import type { HttpAnswer, HttpRequest, LocalInterface, Network } from './network.ts';

export interface PeerRoute {
  /** The only allowed address; without it, any address on our networks. */
  readonly peer?: string | undefined;
  /** The only allowed interface: the one on which the device was discovered. Undefined when the operator configured the URL. */
  readonly interfaceName?: string | undefined;
}

export class DeviceNetwork implements Network {
  readonly #network: Network;
  readonly #route: PeerRoute;
  readonly #onBytes: () => void;
  #actions = 0;

  /** @param onBytes called for each piece of an answer */
  constructor(network: Network, route: PeerRoute, onBytes: () => void = () => undefined) {
    this.#network = network;
    this.#route = route;
    this.#onBytes = onBytes;
  }

  /** Whether an action is in flight: some devices serve nothing else during one. */
  get hasActionInFlight(): boolean {
    return this.#actions > 0;
  }

  interfaces(): LocalInterface[] {
    return this.#network.interfaces();
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { peer, interfaceName } = this.#route;
    const isAction = request.method === 'POST' || request.method === 'M-POST';
    if (isAction) this.#actions++;
    try {
      return await this.#network.request({
        ...request,
        onBytes: this.#onBytes,
        ...(peer !== undefined && { peer }),
        ...(interfaceName !== undefined && { interfaceName }),
      });
    } finally {
      if (isAction) this.#actions--;
    }
  }
}
