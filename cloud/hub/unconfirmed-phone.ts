// A phone that was approved and came back as another: nothing passes until the household has said that it is its own.
import { GatewayError } from '../../protocol/errors.ts';
import type { PhoneMove } from '../../protocol/model.ts';

/** `phone-offline`, and not a refusal: what is to be sent waits for the household's answer. */
export class UnconfirmedPhone extends GatewayError {
  constructor({ from, to }: PhoneMove) {
    const now = from === to ? 'the device there describes itself differently' : `a device at ${to} uses its name`;
    super(
      'phone-offline',
      `The household must confirm the phone first. It was at ${from}, and now ${now}. Say on the home’s page whether it is yours.`,
    );
  }
}
