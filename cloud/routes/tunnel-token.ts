// A tunnel ends with its agent's token, also where another process on the same store has revoked it.
import { closeCodes } from '../../protocol/frames.ts';
import type { TokenRecord } from '../store/store.ts';
import type { SocketHandler } from './sockets.ts';
import type { StreamTokens } from './stream-tokens.ts';

export function endingWithToken(handler: SocketHandler, token: TokenRecord, tokens: StreamTokens): SocketHandler {
  return {
    ...handler,
    open: (socket) => {
      const ears = handler.open(socket);
      let isOver = false;
      const end = () => {
        if (isOver) return;
        isOver = true;
        release();
        ears.closed();
      };
      const release = tokens.hold(token, () => {
        // Before the close: what the agent says until it hears of it is not taken any more.
        end();
        socket.close(closeCodes.revoked, 'the token was revoked');
      });
      return { text: (text) => !isOver && ears.text(text), closed: end };
    },
  };
}
