// `npm ci` installs the reviewed packages: the lockfile has a hash for each, independent of the registry.
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

interface LockedPackage {
  link?: boolean;
  integrity?: string;
  resolved?: string;
  optional?: boolean;
  engines?: { node?: string };
}

const oldestMajor = 20;

const lockfile = JSON.parse(readFileSync(join(resolve(import.meta.dirname, '..'), 'package-lock.json'), 'utf8'));
const packages = Object.entries<LockedPackage>(lockfile.packages).filter(([path, { link }]) => path !== '' && !link);

describe('the lockfile', () => {
  // npm omits the hash of optional packages for other platforms when it writes a lockfile from node_modules.
  it('has a hash for each package, those of other platforms too', () => {
    const without = packages.filter(([, { integrity = '' }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity));
    expect(packages.length).toBeGreaterThan(100);
    expect(without.map(([path]) => path)).toEqual([]);
  });

  it('names no registry', () => {
    expect(packages.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path)).toEqual([]);
  });

  // Why wrangler's demand is left out, and how to do so again: docs/decisions/0016-tools-on-their-own-node.md.
  it('makes npm warn of no package on the oldest Node that the README supports', () => {
    const tooNew = packages.filter(([, { engines, optional }]) => !optional && !admitsOldest(engines?.node ?? '*'));
    expect(tooNew.map(([path, { engines }]) => `${path} ${engines?.node}`)).toEqual([]);
  });
});

/** Whether a range such as `^18 || >=22.1` has an alternative for the latest releases of the oldest supported major. */
function admitsOldest(range: string): boolean {
  return range.split('||').some((alternative) => {
    const [, operator, digits] = /^\s*(>=|>|\^|~)?\s*v?(\d+|\*)/.exec(alternative) ?? [];
    const major = digits === '*' ? oldestMajor : Number(digits);
    return major === oldestMajor || (operator?.startsWith('>') === true && major < oldestMajor);
  });
}
