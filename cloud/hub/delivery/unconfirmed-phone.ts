// An approved phone that came back changed: nothing passes until the household confirms it.
import { GatewayError } from '../../../protocol/errors.ts';
import type { PhoneMove } from '../../../protocol/model.ts';

/** `phone-offline` and not a refusal, so that sends wait for the household's answer. */
export class UnconfirmedPhone extends GatewayError {
  constructor({ from, to }: PhoneMove) {
    const now = from === to ? 'the device there describes itself differently' : `a device at ${to} uses its name`;
    super(
      'phone-offline',
      `The household must confirm the phone first. It was at ${from}, and now ${now}. Say on the home’s page whether it is yours.`,
    );
  }
}
