// The dead letters that the agent keeps, listed, retried and discarded from the cloud.
import { GatewayError } from '../../protocol/errors.ts';
import {
  type DeadLetterOutcome,
  type DeadLetterRequest,
  deadLetterOutcomeSchema,
  deadLetterPageSchema,
} from '../../protocol/frames.ts';
import type { DeadLetter } from '../../protocol/model.ts';
import type { Page, PageRequest } from '../store/page.ts';
import type { Calls } from './calls.ts';
import type { PhoneRegistry } from './phone-registry.ts';
import type { Tunnel } from './tunnel.ts';

/** The agent reads its disk, or sends an event and waits for the acknowledgement. */
const deadlineMs = 10_000;

export class HomeDeadLetters {
  readonly #phoneRegistry: PhoneRegistry;
  readonly #calls: Calls;
  readonly #tunnel: () => Tunnel;

  /** `tunnel` throws `home-offline` while no agent is connected. */
  constructor(phoneRegistry: PhoneRegistry, calls: Calls, tunnel: () => Tunnel) {
    this.#phoneRegistry = phoneRegistry;
    this.#calls = calls;
    this.#tunnel = tunnel;
  }

  /** As HomeHandle.deadLetters. */
  async list({ limit, cursor }: PageRequest): Promise<Page<DeadLetter>> {
    const request = { do: 'list', limit, ...(cursor !== undefined && { before: letterOf(cursor) }) } as const;
    const page = await this.#ask(request, (given) => deadLetterPageSchema.safeParse(given).data);
    const items = page.items.flatMap(({ udn, message, ...letter }) => {
      const phone = this.#phoneRegistry.byUdn(udn);
      if (phone?.approved !== true) return [];
      return [{ ...letter, phone: phone.id, ...(message !== undefined && { message }) }];
    });
    return { items, next: page.next ?? null };
  }

  /** As HomeHandle.settleDeadLetter. */
  async settle(id: string, step: 'retry' | 'discard'): Promise<DeadLetterOutcome> {
    const request = { do: step, letter: letterOf(id) };
    const outcome = await this.#ask(request, (given) => deadLetterOutcomeSchema.safeParse(given).data);
    if (outcome.outcome === 'gone') throw missing();
    return outcome;
  }

  async #ask<Answer>(request: DeadLetterRequest, read: (given: unknown) => Answer | undefined): Promise<Answer> {
    await this.#phoneRegistry.load();
    const tunnel = this.#tunnel();
    if (!tunnel.has('dead-letters')) {
      throw new GatewayError(
        'agent-outdated',
        'The agent of this home cannot be asked for its dead letters: update it.',
      );
    }
    const frame = { type: 'dead-letters', request, deadlineMs } as const;
    return this.#calls.ask(tunnel.link, frame, { action: `dead-letters ${request.do}` }, (result) =>
      read(result.arguments),
    );
  }
}

/** The agent's own identifiers are short. */
function letterOf(id: string): string {
  if (id === '' || id.length > 64) throw missing();
  return id;
}

function missing(): GatewayError {
  return new GatewayError('not-found', 'There is no such dead letter, or no longer.');
}
