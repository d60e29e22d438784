// The hops of a message's trace in plain words.
import type { Hop } from '../../../protocol/model.ts';

type Words = Readonly<Record<Hop['hop'], string>>;

const out: Words = {
  api: 'Given to the cloud',
  store: 'Written down in the cloud',
  hub: 'Sent towards the home',
  agent: 'Reached the agent at home',
  soap: 'Handed to the phone',
  phone: 'The phone answered',
  tunnel: 'The answer reached the cloud',
  notify: 'The phone spoke of it',
};

const into: Words = {
  ...out,
  phone: 'Received by the phone, by its own clock',
  notify: 'The phone told the agent of it',
  agent: 'Taken up by the agent at home',
  tunnel: 'Stored in the cloud',
};

/** `isOwn`: the household sent it. */
export function hopWords(hop: Hop['hop'], isOwn: boolean): string {
  return (isOwn ? out : into)[hop];
}
