// The way to one device, with the guard that all of its URLs pass, after name resolution and redirects too. Requirements Z1, Z2, Z5.
import type { HttpAnswer, HttpRequest, LocalInterface, Network } from './network.ts';

export interface Whereabouts {
  /** The only address; any on our networks where not told. */
  readonly peer?: string | undefined;
  /** The only interface that may lead there: the one on which the device was heard. Not told: the operator named the URL. */
  readonly interfaceName?: string | undefined;
}

export class Neighbour implements Network {
  readonly #network: Network;
  readonly #where: Whereabouts;
  readonly #onBytes: () => void;
  #acting = 0;

  /** @param onBytes called for each piece of an answer */
  constructor(network: Network, where: Whereabouts, onBytes: () => void = () => undefined) {
    this.#network = network;
    this.#where = where;
    this.#onBytes = onBytes;
  }

  /** Whether an action is under way, which some devices serve one at a time, and nothing else meanwhile. */
  get isActing(): boolean {
    return this.#acting > 0;
  }

  interfaces(): LocalInterface[] {
    return this.#network.interfaces();
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { peer, interfaceName } = this.#where;
    const isAction = request.method === 'POST' || request.method === 'M-POST';
    if (isAction) this.#acting++;
    try {
      return await this.#network.request({
        ...request,
        onBytes: this.#onBytes,
        ...(peer !== undefined && { peer }),
        ...(interfaceName !== undefined && { interfaceName }),
      });
    } finally {
      if (isAction) this.#acting--;
    }
  }
}
