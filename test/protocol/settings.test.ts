import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { listSetting, portSetting, readSettings } from '../../protocol/settings.ts';

const table = {
  port: { name: 'HOMELINE_PORT', meaning: 'Where it listens.', schema: portSetting(8787), default: '8787' },
  names: { name: 'HOMELINE_INTERFACE', meaning: 'Which interfaces.', schema: listSetting },
  cloud: { name: 'HOMELINE_CLOUD', meaning: 'The cloud.', schema: z.string('is missing: name the cloud') },
} as const;

function read(env: Record<string, string>, argv: string[] = [], operands?: string) {
  return readSettings(table, { command: 'test', summary: 'a test', env, argv, ...(operands && { operands }) });
}

describe('settings', () => {
  it('takes the environment, lets a flag win and fills in defaults', () => {
    expect(read({ HOMELINE_CLOUD: 'ws://a', HOMELINE_PORT: '1' }, ['--port=2', '--interface', 'lo, eth0'])).toEqual({
      kind: 'values',
      values: { port: 2, names: ['lo', 'eth0'], cloud: 'ws://a' },
      rest: [],
    });
    expect(read({ HOMELINE_CLOUD: 'ws://a', HOMELINE_PORT: '' })).toMatchObject({ values: { port: 8787, names: [] } });
  });

  it('tells all faults at once, each by the name under which it was given', () => {
    const result = read({ HOMELINE_PORT: '70000' }, ['--nonsense', 'stray', '--interface']);
    expect(result.kind).toBe('faults');
    const text = result.kind === 'faults' ? result.text : '';
    for (const fault of ['--nonsense: no such flag', 'stray: this command takes no', '--interface: needs a value'])
      expect(text).toContain(fault);
    expect(text).toContain('HOMELINE_PORT: “70000” is no port');
    expect(text).toContain('HOMELINE_CLOUD: is missing: name the cloud');
  });

  it('explains every setting under --help, whatever else is wrong', () => {
    const result = read({}, ['--port', 'x', '--help']);
    expect(result.kind).toBe('help');
    const text = result.kind === 'help' ? result.text : '';
    for (const setting of Object.values(table)) expect(text).toContain(setting.name);
    expect(text).toContain('--port');
    expect(text).toContain('(default 8787)');
  });

  it('hands on operands where the command takes them', () => {
    expect(read({ HOMELINE_CLOUD: 'x' }, ['say', '+39'], 'say NUMBER TEXT')).toMatchObject({ rest: ['say', '+39'] });
  });

  it.each(['-1', '1.5', '1e3', 'http', '65536', ' 80'])('refuses %j as a port', (text) => {
    expect(read({ HOMELINE_CLOUD: 'x', HOMELINE_PORT: text }).kind).toBe('faults');
  });
});
