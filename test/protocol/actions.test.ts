// The table of actions against the published service descriptions of Messaging:1 and :2.
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type HostedService, writeScpd } from '../../edge-agent/upnp/hosting/hosted-device.ts';
import { childOf, parseXml, textOf, type XmlNode } from '../../edge-agent/upnp/xml/xml.ts';
import { actions, type StateVariable, stateVariables } from '../../protocol/actions.ts';

/** What a service description says, in its own order. */
interface ServiceTable {
  actions: Record<string, { in: string[][]; out: string[][] }>;
  variables: Record<string, { evented?: boolean; allowed?: string[]; default?: string }>;
}

const hosted: HostedService = {
  serviceType: 'urn:schemas-upnp-org:service:Messaging:2',
  serviceId: 'urn:upnp-org:serviceId:Messaging',
  path: 'messaging',
  actions,
  variables: stateVariables as Readonly<Record<string, StateVariable>>,
  invoke: async () => ({}),
  valueOf: () => '',
};
const transcribed = JSON.parse(
  readFileSync(resolve(import.meta.dirname, '../fixtures/messaging/service-table.json'), 'utf8'),
) as ServiceTable;
const ours = tableOf(writeScpd(hosted, 1));

describe('our generated service description', () => {
  it('says what an independent transcription of the published one says, in the same order', () => {
    expect(ours).toEqual(transcribed);
    expect(orderOf(ours)).toEqual(orderOf(transcribed));
  });

  const folder = process.env.HOMELINE_SCPD_FOLDER ?? resolve(import.meta.dirname, '../../../shared/spec');
  for (const name of ['Messaging1.scpd.xml', 'Messaging2.scpd.xml']) {
    const path = join(folder, name);
    const present = existsSync(path);
    if (!present) {
      process.stderr.write(`skipped: the published ${name} is not here (HOMELINE_SCPD_FOLDER names its folder)\n`);
    }
    it.skipIf(!present)(`says what the published ${name} says`, () => {
      const published = tableOf(readFileSync(path, 'utf8'));
      expect(ours).toEqual(published);
      expect(orderOf(ours)).toEqual(orderOf(published));
    });
  }

  it('never names a variable that is not in the table', () => {
    for (const { in: given, out } of Object.values(actions)) {
      for (const variable of [...Object.values(given), ...Object.values(out)]) {
        expect(stateVariables).toHaveProperty(variable);
      }
    }
  });
});

function tableOf(scpd: string): ServiceTable {
  const root = parseXml(scpd, { root: 'scpd' });
  const actionNodes = childOf(root, 'actionList')?.children ?? [];
  const variableNodes = childOf(root, 'serviceStateTable')?.children ?? [];
  return {
    actions: Object.fromEntries(
      actionNodes.map((action) => {
        const list = childOf(action, 'argumentList')?.children ?? [];
        const inDirection = (direction: string) =>
          list
            .filter((argument) => textOf(argument, 'direction') === direction)
            .map((argument) => [nameOf(argument), textOf(argument, 'relatedStateVariable') ?? '']);
        return [nameOf(action), { in: inDirection('in'), out: inDirection('out') }];
      }),
    ),
    variables: Object.fromEntries(
      variableNodes.map((variable) => {
        const allowed = childOf(variable, 'allowedValueList')?.children.map((value) => value.text);
        const standard = textOf(variable, 'defaultValue');
        expect(textOf(variable, 'dataType')).toBe('string');
        return [
          nameOf(variable),
          {
            ...(variable.attributes.get('sendEvents') === 'yes' && { evented: true }),
            ...(allowed && { allowed }),
            ...(standard !== undefined && { default: standard }),
          },
        ];
      }),
    ),
  };
}

function nameOf(node: XmlNode): string {
  return textOf(node, 'name') ?? '';
}

function orderOf(table: ServiceTable): string[][] {
  return [Object.keys(table.actions), Object.keys(table.variables)];
}
