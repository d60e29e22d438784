// Structured log lines: one JSON object a line on stderr. Personal data and secrets are redacted.
import type { Log, LogFields } from '../hub/hub-deps.ts';

const levels = ['info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof levels)[number];

export function lineLog(least: LogLevel, write: (line: string) => void): Log {
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}) => {
      if (levels.indexOf(level) < levels.indexOf(least)) return;
      write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...redacted(fields) })}\n`);
    };
  return { info: at('info'), warn: at('warn'), error: at('error') };
}

/** Tokens, e-mail addresses and phone numbers are not logged on purpose, but the text of an error may hold them. */
const secrets = [
  /\bhl_[\w-]+/g,
  /[^\s"'<>()@]{1,64}@[\w.-]{1,255}\.\w+/g,
  /(?<![\w.])(?:\+\d[\d ()-]{4,30}\d|\d{7,30})(?!\w)/g,
];

function redacted(fields: LogFields): LogFields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? redact(value) : value]),
  );
}

function redact(text: string): string {
  return secrets.reduce((rest, secret) => rest.replace(secret, '…'), text);
}
