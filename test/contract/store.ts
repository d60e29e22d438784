// The contract of Store for every engine. Each adapter's test file calls storeContract.
import { afterEach, beforeEach, describe } from 'vitest';
import { commitsContract } from './store/commit-contract.ts';
import { conversationsContract } from './store/conversation-contract.ts';
import { homesContract } from './store/home-contract.ts';
import { messagesContract } from './store/message-contract.ts';
import { pagesContract } from './store/message-list-contract.ts';
import { phonesContract } from './store/phone-contract.ts';
import { requestsContract } from './store/request-contract.ts';
import { sendsContract } from './store/send-contract.ts';
import { sessionsContract } from './store/session-contract.ts';
import { type MakeStore, type Places, StoreUnderTest } from './store/store-under-test.ts';
import { tokensContract } from './store/token-contract.ts';

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
