// The phones of a home: description, capabilities, and the approval that lets their messages leave the LAN.
import { z } from '@hono/zod-openapi';
import { GatewayError } from '../../protocol/errors.ts';
import { ask } from './phone-choice.ts';
import { type AppDeps, body, type CloudApp, guarded, json, newApp } from './route-kit.ts';
import { capabilitiesSchema, homeParam, page, partiesSchema, phoneParams, phoneSchema } from './schemas.ts';

const list = guarded('phones:read', {
  method: 'get',
  path: '/homes/{home}/phones',
  summary: 'Phones that the agent has seen',
  request: { params: homeParam },
  responses: { 200: json(page(phoneSchema), 'Phones') },
});

const approve = guarded('phones:approve', {
  method: 'post',
  path: '/homes/{home}/phones/{phone}/approve',
  summary: 'Lets the messages of this phone leave the LAN',
  description:
    'Approves the phone as it was seen last. With `changed`, the id of the change that was looked at (`phone.changed.id`), ' +
    'it is refused (409) when the phone was seen as another since.',
  request: {
    params: phoneParams,
    body: { ...body(z.object({ changed: z.string().max(64).optional() }).strict()), required: false },
  },
  responses: { 200: json(phoneSchema, 'The phone') },
});

const revoke = guarded('phones:approve', {
  method: 'post',
  path: '/homes/{home}/phones/{phone}/revoke',
  summary: 'No message of this phone leaves the LAN any more',
  request: { params: phoneParams },
  responses: { 200: json(phoneSchema, 'The phone') },
});

const identity = guarded('phones:read', {
  method: 'get',
  path: '/homes/{home}/phones/{phone}/identity',
  summary: 'GetTelephonyIdentity: the addresses of the phone itself',
  request: { params: phoneParams },
  responses: { 200: json(partiesSchema, 'Addresses') },
});

const capabilities = guarded('phones:read', {
  method: 'get',
  path: '/homes/{home}/phones/{phone}/capabilities',
  summary: 'GetMessagingCapabilities: what the phone can send; the last known while it is offline',
  request: { params: phoneParams },
  responses: { 200: json(capabilitiesSchema, 'Capabilities') },
});

export function phoneRoutes({ hubs }: AppDeps): CloudApp {
  const setApproval = async (home: string, id: string, approved: boolean, change?: string) => {
    const phone = await hubs.home(home).approve(id, approved, change);
    if (phone === undefined) throw new GatewayError('not-found', 'This home has no such phone.');
    return phone;
  };
  return newApp()
    .openapi(list, async (c) => {
      const home = await hubs.home(c.req.valid('param').home).status();
      return c.json({ items: home?.phones ?? [], next: null }, 200);
    })
    .openapi(approve, async (c) => {
      const { home, phone } = c.req.valid('param');
      return c.json(await setApproval(home, phone, true, c.req.valid('json').changed), 200);
    })
    .openapi(revoke, async (c) => {
      const { home, phone } = c.req.valid('param');
      return c.json(await setApproval(home, phone, false), 200);
    })
    .openapi(identity, async (c) => {
      const { home, phone } = c.req.valid('param');
      const { TelephonyIdentity } = await ask(hubs.home(home), phone, 'GetTelephonyIdentity', {});
      return c.json({ items: TelephonyIdentity, next: null }, 200);
    })
    .openapi(capabilities, async (c) => {
      const { home, phone } = c.req.valid('param');
      try {
        const { SupportedCapabilities } = await ask(hubs.home(home), phone, 'GetMessagingCapabilities', {});
        return c.json(SupportedCapabilities, 200);
      } catch (error) {
        const known = (await hubs.home(home).status())?.phones.find(({ id }) => id === phone)?.capabilities;
        if (known === undefined || !isAbsence(error)) throw error;
        return c.json(known, 200);
      }
    });
}

function isAbsence(error: unknown): boolean {
  const absences: readonly string[] = ['home-offline', 'phone-offline', 'phone-unreachable', 'tunnel-lost'];
  return error instanceof GatewayError && absences.includes(error.code);
}
