// Settings of every command: one table a command, read from the environment or the flag of the same name.
// Pure: the caller passes environment and arguments. All faults are reported at once.
import { z } from 'zod';

/** One setting. `HOMELINE_PORT` is also the flag `--port`, `AWS_REGION` the flag `--aws-region`. */
export interface Setting<Value = unknown> {
  readonly name: string;
  readonly meaning: string;
  /** Parses the text (undefined if the setting is absent) and fills in the default. */
  readonly schema: z.ZodType<Value, string | undefined>;
  /** The default as the help text shows it, if there is one. */
  readonly default?: string;
  /** Its flag takes no value, and the environment cannot set it. */
  readonly isSwitch?: true;
}

/** A fault of one setting, by its key in the table. */
export interface SettingFault {
  readonly key: string;
  readonly fault: string;
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
    /** The allowed arguments, if not all are allowed. */
    verbs?: readonly string[];
    /** Finds faults between settings that are each valid; invalid settings are missing from its input. */
    check?: (values: Partial<SettingValues<Table>>) => readonly SettingFault[];
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
      const isTaken = given.verbs?.includes(argument) ?? given.operands !== undefined;
      if (!isTaken) faults.push(`${argument}: this command takes no such argument`);
      rest.push(argument);
      continue;
    }
    const [flag = '', inline] = splitOnce(argument, '=');
    const key = byFlag.get(flag);
    if (key === undefined) {
      faults.push(`${flag}: no such flag`);
      continue;
    }
    const value = inline ?? (table[key]?.isSwitch ? 'yes' : given.argv[++index]);
    if (value === undefined) faults.push(`${flag}: needs a value`);
    else fromFlags.set(key, value);
  }

  const values: Record<string, unknown> = {};
  const sourceOf = (key: string, { name }: Setting) => (fromFlags.has(key) ? flagOf(name) : name);
  for (const [key, setting] of settings) {
    const text = fromFlags.get(key) ?? (setting.isSwitch ? undefined : given.env[setting.name]) ?? '';
    const stray = text === '' ? undefined : strayCharacter(text);
    const result = setting.schema.safeParse(text === '' ? undefined : text);
    if (stray !== undefined) faults.push(`${sourceOf(key, setting)}: ${stray}`);
    else if (result.success) values[key] = result.data;
    else faults.push(`${sourceOf(key, setting)}: ${result.error.issues[0]?.message ?? 'not valid'}`);
  }
  for (const { key, fault } of given.check?.(values as Partial<SettingValues<Table>>) ?? []) {
    const setting = table[key];
    faults.push(`${setting === undefined ? key : sourceOf(key, setting)}: ${fault}`);
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

const strayNames = new Map([
  ['\r', 'a carriage return, as files written on Windows have at the end of each line'],
  ['\n', 'a line feed'],
  ['\t', 'a tab'],
  ['\0', 'a NUL'],
  ['\uFEFF', 'a byte order mark, as files written on Windows begin with'],
]);

/**
 * Finds a character that no setting holds on purpose: a control character, or a blank at either end. They are invisible,
 * and a folder “data␍” or a token with one fails much later, or silently names another folder.
 */
export function strayCharacter(text: string): string | undefined {
  const [end] = /(?:\s|\uFEFF)$/u.exec(text) ?? [];
  if (end !== undefined) return `ends with ${strayNames.get(end) ?? 'a blank'}: remove it`;
  const [start] = /^(?:\s|\uFEFF)/u.exec(text) ?? [];
  if (start !== undefined) return `begins with ${strayNames.get(start) ?? 'a blank'}: remove it`;
  const [inside] = /[\p{Cc}\u2028\u2029]/u.exec(text) ?? [];
  return inside === undefined ? undefined : `holds ${strayNames.get(inside) ?? 'a control character'}: remove it`;
}

/** The path of a file or folder, as the system is to take it. */
export const pathSetting = z.string().superRefine((path, context) => {
  const quote = /^(["']).*\1$/.exec(path)?.[1];
  if (quote !== undefined) {
    context.addIssue(
      `stands in ${quote}…${quote}, which would become part of the path: leave the quotation marks away`,
    );
  } else if (/^~(?:\/|$)/.test(path)) {
    context.addIssue('begins with “~”, which only a shell replaces: write the whole path');
  }
});

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

/** A whole number within these bounds. */
export const countSetting = (standard: number, { least, most }: { least: number; most: number }) =>
  z
    .string()
    .default(String(standard))
    .transform((text, context) => {
      const count = Number(text);
      if (/^\d{1,15}$/.test(text) && count >= least && count <= most) return count;
      context.addIssue(`“${text.slice(0, 40)}” is no whole number from ${least} to ${most}`);
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
    const variable = setting.isSwitch ? '' : setting.name;
    return `  ${flagOf(setting.name).padEnd(width)}${variable}\n      ${setting.meaning}${standard}`;
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
