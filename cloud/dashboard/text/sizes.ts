// File sizes for people.

const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

/** `47 kB`: decimal units, at most one digit after the point. */
export function fileSize(sizeBytes: number): string {
  const power = sizeBytes < 1000 ? 0 : Math.min(Math.floor(Math.log10(sizeBytes) / 3), units.length - 1);
  return new Intl.NumberFormat(undefined, {
    style: 'unit',
    unit: units[power] ?? 'byte',
    unitDisplay: 'short',
    maximumFractionDigits: 1,
  }).format(sizeBytes / 1000 ** power);
}
