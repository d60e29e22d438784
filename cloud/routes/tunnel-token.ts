// A tunnel ends when its agent's token ends, even if another process on the same store revoked it.
import { closeCodes } from '../../protocol/frames.ts';
import type { TokenRecord } from '../store/token-store.ts';
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
        // Detach before closing: frames that the agent sends until it sees the close are ignored.
        end();
        socket.close(closeCodes.revoked, 'the token was revoked');
      });
      return { text: (text) => !isOver && ears.text(text), closed: end };
    },
  };
}
