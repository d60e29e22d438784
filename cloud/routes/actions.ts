// The 18 Messaging actions with their UPnP arguments unchanged, for remote control points.
import { z } from '@hono/zod-openapi';
import { actionNames, actions, isActionName } from '../../protocol/actions.ts';
import { GatewayError } from '../../protocol/errors.ts';
import {
  type AppDeps,
  appendTo,
  body,
  type CloudApp,
  guarded,
  holder,
  InvalidRequest,
  type Issue,
  json,
  newApp,
} from './route-kit.ts';
import { phoneParams } from './schemas.ts';

const argumentsSchema = z.object({ arguments: z.record(z.string(), z.string()) });

const call = guarded('actions:call', {
  method: 'post',
  path: '/homes/{home}/phones/{phone}/actions/{action}',
  summary: 'Calls an action of the phone: the exact UPnP names and strings, both ways',
  description: `One of ${actionNames.join(', ')}. The scope counts for all of them: it reads, sends, changes and deletes.`,
  request: { params: phoneParams.extend({ action: z.string() }), body: body(argumentsSchema.strict(), ['arguments']) },
  responses: { 200: json(argumentsSchema, 'The out-arguments') },
});

export function actionRoutes({ hubs, quotas }: AppDeps): CloudApp {
  return newApp().openapi(call, async (c) => {
    const { home, phone, action } = c.req.valid('param');
    if (!isActionName(action)) {
      throw new GatewayError('not-found', `There is no such action. There are: ${actionNames.join(', ')}.`);
    }
    const given = c.req.valid('json').arguments;
    const issues = misfits(Object.keys(actions[action].in), Object.keys(given));
    if (issues.length > 0) throw new InvalidRequest('json', issues);
    if (action === 'SendMessage') quotas.takeSend(holder(c).token.id, appendTo(c));
    const { callKey, requestId } = c.var;
    const key = actions[action].repeatable ? undefined : callKey;
    const answer = await hubs.home(home).call({ phone, action, form: 'text', arguments: given, key, requestId });
    // The hub has checked that each argument is a string.
    return c.json({ arguments: answer.arguments as Record<string, string> }, 200);
  });
}

function misfits(wanted: readonly string[], given: readonly string[]): Issue[] {
  const missing = wanted.filter((name) => !given.includes(name));
  const unknown = given.filter((name) => !wanted.includes(name));
  return [
    ...missing.map((name) => ({ at: `body.arguments.${name}`, message: 'is missing' })),
    ...unknown.map((name) => ({ at: `body.arguments.${name.slice(0, 80)}`, message: 'is no argument of this action' })),
  ];
}
