import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { listSetting, pathSetting, portSetting, readSettings } from '../../protocol/settings.ts';

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

  it.each([
    ['data\r', 'ends with a carriage return, as files written on Windows have at the end of each line: remove it'],
    ['data\n', 'ends with a line feed: remove it'],
    ['data ', 'ends with a blank: remove it'],
    ['data\u00a0', 'ends with a blank: remove it'],
    [' data', 'begins with a blank: remove it'],
    ['\ufeffdata', 'begins with a byte order mark, as files written on Windows begin with: remove it'],
    ['da\0ta', 'holds a NUL: remove it'],
    ['da\rta', 'holds a carriage return, as files written on Windows have at the end of each line: remove it'],
    ['da\u001bta', 'holds a control character: remove it'],
    [' ', 'ends with a blank: remove it'],
    ['\r', 'ends with a carriage return, as files written on Windows have at the end of each line: remove it'],
  ])('refuses %j for every setting, and names what nobody sees', (text, fault) => {
    const result = read({ HOMELINE_CLOUD: text, HOMELINE_INTERFACE: text, HOMELINE_PORT: `80${text}` }, [
      `--cloud=${text}`,
    ]);
    const words = result.kind === 'faults' ? result.text : '';
    expect(words).toContain(`  --cloud: ${fault}`);
    expect(words).toContain(`  HOMELINE_INTERFACE: ${fault}`);
    expect(words).toContain('  HOMELINE_PORT: ');
    expect(words).not.toContain('is missing');
  });

  it('takes a blank and every letter inside', () => {
    expect(read({ HOMELINE_CLOUD: 'Nonna’s Wörter – 電話' })).toMatchObject({
      values: { cloud: 'Nonna’s Wörter – 電話' },
    });
  });

  it.each(['"/var/lib/x"', "'x'", '~/x', '~'])('refuses %s as a path: only a shell would understand it', (path) => {
    expect(pathSetting.safeParse(path).success).toBe(false);
  });

  it.each(['/var/lib/my data', '.homeline', "/it's", '/a/~', 'C:\\x'])('takes %s as a path', (path) => {
    expect(pathSetting.parse(path)).toBe(path);
  });

  it('tells what is wrong with settings together, by the name under which each was given', () => {
    const result = readSettings(table, {
      command: 'test',
      summary: 'a test',
      env: { HOMELINE_CLOUD: 'x' },
      argv: ['--port', '1'],
      check: ({ port }) => (port === 1 ? [{ key: 'port', fault: 'is too small' }] : []),
    });
    expect(result).toMatchObject({ kind: 'faults', text: expect.stringContaining('--port: is too small') });
  });

  it('takes only the verbs that there are', () => {
    const given = { command: 'test', summary: 'a test', env: { HOMELINE_CLOUD: 'x' }, operands: 'x', verbs: ['make'] };
    expect(readSettings(table, { ...given, argv: ['make'] })).toMatchObject({ rest: ['make'] });
    const words = expect.stringContaining('  unmake: this command takes no such argument');
    expect(readSettings(table, { ...given, argv: ['unmake'] })).toMatchObject({ kind: 'faults', text: words });
  });

  it('takes a switch without a value', () => {
    const schema = z.literal('yes').optional();
    const switches = { sure: { name: 'HOMELINE_SURE', meaning: 'Sure.', schema, isSwitch: true } } as const;
    const given = { command: 'test', summary: 'a test', env: {}, operands: 'x' };
    expect(readSettings(switches, { ...given, argv: ['--sure', 'x'] })).toMatchObject({
      values: { sure: 'yes' },
      rest: ['x'],
    });
  });

  it.each(['-1', '1.5', '1e3', 'http', '65536', ' 80'])('refuses %j as a port', (text) => {
    expect(read({ HOMELINE_CLOUD: 'x', HOMELINE_PORT: text }).kind).toBe('faults');
  });
});
