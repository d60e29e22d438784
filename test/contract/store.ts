// What every Store keeps to, whatever engine is below it. An adapter's own test file calls storeContract.
import { afterEach, beforeEach, describe } from 'vitest';
import { commitsContract } from './store/commits.ts';
import { conversationsContract } from './store/conversations.ts';
import { homesContract } from './store/homes.ts';
import { messagesContract } from './store/messages.ts';
import { pagesContract } from './store/pages.ts';
import { phonesContract } from './store/phones.ts';
import { requestsContract } from './store/requests.ts';
import { sendsContract } from './store/sends.ts';
import { sessionsContract } from './store/sessions.ts';
import { type MakeStore, type Places, StoreUnderTest } from './store/store-under-test.ts';
import { tokensContract } from './store/tokens.ts';

export function storeContract(name: string, makeStore: MakeStore, places: Places): void {
  describe(`${name} keeps the contract of Store`, () => {
    const at = new StoreUnderTest(makeStore, places);
    beforeEach(() => at.start());
    afterEach(() => at.stop());

    homesContract(at);
    tokensContract(at);
    phonesContract(at);
    messagesContract(at);
    sendsContract(at);
    pagesContract(at);
    conversationsContract(at);
    sessionsContract(at);
    commitsContract(at);
    requestsContract(at);
  });
}
