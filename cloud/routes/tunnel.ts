// The tunnel endpoint for agents: authenticated before the upgrade, bound to the home of its token.
import { GatewayError } from '../../protocol/errors.ts';
import { subprotocol } from '../../protocol/frames.ts';
import type { Principal } from '../access/principal.ts';
import type { AgentIdentity } from '../hub/link.ts';
import type { TokenRecord } from '../store/token-store.ts';
import { type AppDeps, acceptSocket, type CloudApp, holder, newApp, unguarded, wantSocket } from './route-kit.ts';
import type { SocketHandler } from './sockets.ts';

/** Attaches an agent's socket to the hub of its home. */
export type ServeAgent = (home: string, agent: AgentIdentity, token: TokenRecord) => Promise<SocketHandler>;

const tunnel = unguarded({
  method: 'get',
  path: '/tunnel',
  summary: `The tunnel of an agent: a WebSocket that speaks ${subprotocol}`,
  responses: { 101: { description: 'Frames' } },
});

export function tunnelRoutes({ access, hubs }: Pick<AppDeps, 'access' | 'hubs'>, serve: ServeAgent): CloudApp {
  return newApp().openapi(tunnel, async (c) => {
    const { token } = holder(c);
    const { home, agent } = agentOf(holder(c));
    const offered = (c.req.header('sec-websocket-protocol') ?? '').split(',').map((protocol) => protocol.trim());
    // Before the hub attaches it: a new connection replaces the previous one.
    wantSocket(c);
    if (!offered.includes(subprotocol)) {
      throw new GatewayError('protocol-unsupported', `Offer the subprotocol ${subprotocol}.`);
    }
    const handler = await serve(home, agent, token);
    // Race: the token may have been revoked before the hub knew this tunnel.
    if (await access.isInUse(token)) return acceptSocket(c, handler);
    await hubs.home(home).dismiss(agent.id);
    throw new GatewayError('unauthorized', 'This token is no longer in use.');
  });
}

function agentOf({ token }: Principal): { home: string; agent: AgentIdentity } {
  if (token.kind === 'agent' && token.home !== null) {
    const mayApprove = token.scopes.includes('phones:approve');
    return { home: token.home, agent: { id: token.id, name: token.name, mayApprove } };
  }
  throw new GatewayError('forbidden', 'The tunnel is for agents: make an agent’s token in the dashboard.');
}
