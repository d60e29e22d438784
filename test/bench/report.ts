// Reports one figure: a JSON object on stdout for programs, a row on stderr for people.

export function report(figures: Record<string, string | number>): void {
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  const row = Object.entries(figures).map(([name, value]) => (typeof value === 'string' ? value : `${name} ${value}`));
  process.stderr.write(`${row.join('  ')}\n`);
}
