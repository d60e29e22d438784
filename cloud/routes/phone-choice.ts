// Chooses the phone of a request and calls its actions.
import { getContext } from 'hono/context-storage';
import type { ActionName } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import type { Phone } from '../../protocol/model.ts';
import type { ActionInput, ActionOutput } from '../../protocol/phone-model.ts';
import type { HomeHandle } from '../hub/hubs.ts';
import { type AppEnv, InvalidRequest } from './route-kit.ts';

/** Calls an action of a phone for the current request; the hub validates the answer. The same `key` acts once; `message` is the `m_…` that the MessageID means. */
export async function ask<Name extends ActionName>(
  home: HomeHandle,
  phone: string,
  action: Name,
  input: ActionInput<Name>,
  key?: string,
  message?: string,
): Promise<ActionOutput<Name> & { made?: string | undefined }> {
  const { requestId } = getContext<AppEnv>().var;
  const answer = await home.call({ phone, action, form: 'model', arguments: input, key, message, requestId });
  return { ...(answer.arguments as ActionOutput<Name>), made: answer.made };
}

/**
 * The named phone, else the home's only approved phone that is online, else its only approved phone; undefined for an
 * offline home without phones.
 * @throws GatewayError `invalid-request` that names the choices
 */
export async function choosePhone(home: HomeHandle, named: string | undefined): Promise<string | undefined> {
  if (named !== undefined) return named;
  const status = await home.status();
  const phones = status?.phones ?? [];
  const approved = phones.filter((phone) => phone.approved);
  const online = approved.filter((phone) => phone.online);
  const only = online.length > 0 ? online : approved;
  if (only.length === 1) return only[0]?.id;
  if (approved.length > 1) throw undecided(only);
  if (phones.length > 0) {
    throw new GatewayError('phone-not-approved', `No phone of this home is approved yet: approve ${choices(phones)}.`);
  }
  if (status?.online === true) throw new GatewayError('phone-offline', 'The agent of this home sees no phone yet.');
  return undefined;
}

/** Like `choosePhone`, but throws if there is no phone. */
export async function needPhone(home: HomeHandle, named: string | undefined): Promise<string> {
  const phone = await choosePhone(home, named);
  if (phone === undefined) throw new GatewayError('home-offline', 'No agent of this home is connected.');
  return phone;
}

/** The phones to read from: the named one, or every approved one that is online. @throws GatewayError if there is none */
export async function phonesToRead(home: HomeHandle, named: string | undefined): Promise<string[]> {
  if (named !== undefined) return [named];
  const status = await home.status();
  const able = (status?.phones ?? []).filter((phone) => phone.approved && phone.online);
  if (able.length > 0) return able.map((phone) => phone.id);
  return [await needPhone(home, undefined)];
}

function undecided(phones: readonly Phone[]): InvalidRequest {
  return new InvalidRequest('json', [{ at: 'body.phone', message: `which of ${choices(phones)}?` }]);
}

function choices(phones: readonly Phone[]): string {
  return phones.map((phone) => `${phone.id} (${phone.name})`).join(', ');
}
