// Settings of every command: one table a command, read from the environment or the flag of the same name.
// Pure: the caller hands in environment and arguments. All faults are told at once.
import { z } from 'zod';

/** One setting. `HOMELINE_PORT` is also the flag `--port`, `AWS_REGION` the flag `--aws-region`. */
export interface Setting<Value = unknown> {
  readonly name: string;
  readonly meaning: string;
  /** From the text as given (undefined when not given) to its value; defaults stand in it. */
  readonly schema: z.ZodType<Value, string | undefined>;
  /** How the default is told in the help text, if there is one. */
  readonly default?: string;
}

export type SettingValues<Table extends Record<string, Setting>> = {
  [Key in keyof Table]: Table[Key] extends Setting<infer Value> ? Value : never;
};

export type SettingsResult<Table extends Record<string, Setting>> =
  | { kind: 'values'; values: SettingValues<Table>; rest: string[] }
  | { kind: 'help'; text: string }
  | { kind: 'faults'; text: string };

/** Reads a command's settings. Flags win over the environment; `rest` are the arguments that are no flags. */
export function readSettings<Table extends Record<string, Setting>>(
  table: Table,
  given: {
    command: string;
    summary: string;
    env: Readonly<Record<string, string | undefined>>;
    argv: readonly string[];
    /** Help lines for arguments that are no flags; without it such arguments are faults. */
    operands?: string;
  },
): SettingsResult<Table> {
  const settings = Object.entries(table);
  const byFlag = new Map(settings.map(([key, setting]) => [flagOf(setting.name), key]));
  const fromFlags = new Map<string, string>();
  const rest: string[] = [];
  const faults: string[] = [];

  for (let index = 0; index < given.argv.length; index++) {
    const argument = given.argv[index] ?? '';
    if (argument === '--help' || argument === '-h') return { kind: 'help', text: helpText(table, given) };
    if (!argument.startsWith('--')) {
      if (given.operands === undefined) faults.push(`${argument}: this command takes no such argument`);
      rest.push(argument);
      continue;
    }
    const [flag = '', inline] = splitOnce(argument, '=');
    const key = byFlag.get(flag);
    if (key === undefined) {
      faults.push(`${flag}: no such flag`);
      continue;
    }
    const value = inline ?? given.argv[++index];
    if (value === undefined) faults.push(`${flag}: needs a value`);
    else fromFlags.set(key, value);
  }

  const values: Record<string, unknown> = {};
  for (const [key, setting] of settings) {
    const flagged = fromFlags.get(key);
    const text = flagged ?? given.env[setting.name];
    const result = setting.schema.safeParse(text === '' ? undefined : text);
    if (result.success) values[key] = result.data;
    else {
      const source = flagged === undefined ? setting.name : flagOf(setting.name);
      faults.push(`${source}: ${result.error.issues[0]?.message ?? 'not valid'}`);
    }
  }
  if (faults.length > 0) {
    const lines = faults.map((fault) => `  ${fault}`).join('\n');
    return { kind: 'faults', text: `${given.command} cannot start:\n${lines}\nTry ${given.command} --help.` };
  }
  return { kind: 'values', values: values as SettingValues<Table>, rest };
}

/** The flag of a setting: `HOMELINE_PHONE_PORT` → `--phone-port`. */
export function flagOf(name: string): string {
  return `--${name
    .replace(/^HOMELINE_/, '')
    .toLowerCase()
    .replaceAll('_', '-')}`;
}

export const portSetting = (standard: number) =>
  z
    .string()
    .default(String(standard))
    .transform((text, context) => {
      const port = Number(text);
      if (/^\d{1,5}$/.test(text) && port <= 65535) return port;
      context.addIssue(`“${text.slice(0, 40)}” is no port: a whole number from 0 (any free one) to 65535`);
      return z.NEVER;
    });

/** A comma-separated list; absent is the empty list. */
export const listSetting = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== ''),
  );

function helpText(
  table: Record<string, Setting>,
  given: { command: string; summary: string; operands?: string },
): string {
  const width = Math.max(...Object.values(table).map(({ name }) => flagOf(name).length)) + 2;
  const rows = Object.values(table).map((setting) => {
    const standard = setting.default === undefined ? '' : ` (default ${setting.default})`;
    return `  ${flagOf(setting.name).padEnd(width)}${setting.name}\n      ${setting.meaning}${standard}`;
  });
  const operands = given.operands === undefined ? [] : [given.operands];
  return [
    `${given.command}: ${given.summary}`,
    ...operands,
    'Each setting is an environment variable or the flag beside it:',
    ...rows,
  ].join('\n');
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)];
}
