// The preset owner's token of a Node host: the token itself, or a file that holds it.
import type { SettingFault, SettingValues } from '../protocol/settings.ts';
import { readSecretFile, SecretFileFault } from '../shared/node/secret-file.ts';
import { cloudSettings } from './settings.ts';

type OwnerTokenSettings = Pick<SettingValues<typeof cloudSettings>, 'ownerToken' | 'ownerTokenFile'>;

/** The faults of the token and of its file. */
export function checkOwnerToken({ ownerToken, ownerTokenFile }: Partial<OwnerTokenSettings>): SettingFault[] {
  if (ownerTokenFile === undefined) return [];
  if (ownerToken !== undefined) {
    return [{ key: 'ownerTokenFile', fault: `is given beside ${cloudSettings.ownerToken.name}: give one of the two` }];
  }
  try {
    presetOwnerToken({ ownerTokenFile });
    return [];
  } catch (error) {
    return [{ key: 'ownerTokenFile', fault: error instanceof Error ? error.message : String(error) }];
  }
}

/**
 * The preset token; undefined if there is none.
 * @throws SecretFileFault
 */
export function presetOwnerToken({ ownerToken, ownerTokenFile }: Partial<OwnerTokenSettings>): string | undefined {
  if (ownerTokenFile === undefined) return ownerToken;
  const read = cloudSettings.ownerToken.schema.safeParse(readSecretFile(ownerTokenFile));
  if (read.success) return read.data;
  throw new SecretFileFault(`${ownerTokenFile}: the token ${read.error.issues[0]?.message ?? 'is not valid'}`);
}
