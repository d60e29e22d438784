// Homes as the store keeps them, with their settings.
import type { KeepRule, Question } from '../../protocol/model.ts';

/** Of a person in an account. */
export type Role = 'owner' | 'adult' | 'member';

export interface HomeRecord {
  id: string;
  account: string;
  name: string;
  online: boolean;
  /** Epoch milliseconds of the last change of `online`; null if no agent was ever here. */
  sinceMs: number | null;
  agent: { id: string; name: string; version?: string } | null;
  /** Absent fields have their default (`settingsOf`): DynamoDB pays for each byte of a home at each commit. */
  settings?: HomeSettings;
}

export interface HomeSettings {
  /** `always` unless told. */
  keep?: KeepRule;
  /** Since when `keep` is what it is, epoch milliseconds. */
  keepSinceMs?: number;
  keepDays?: number;
  /** ISO 3166-1 alpha-2. */
  country?: string;
  questions?: readonly StoredQuestion[];
  /** By phone. */
  missing?: Readonly<Record<string, MissingNotes>>;
}

export interface StoredQuestion extends Omit<Question, 'time'> {
  timeMs: number;
  /** The last of the messages in question is missing since then, epoch milliseconds. */
  upToMs: number;
}

/** What was decided about messages that a phone no longer lists, with `like-the-phone`. */
export interface MissingNotes {
  /** Those that are missing since this time or longer stay: the household said so. Epoch milliseconds. */
  keptUpToMs?: number;
  /** Of the others, those that are missing since this time or longer go: the household said so. */
  deleteUpToMs?: number;
  /** How many were deleted unasked within `countedTogetherMs`, by the day: epoch milliseconds and count. */
  deleted?: readonly (readonly [dayMs: number, count: number])[];
}

export interface HomeStore {
  /** Creates account, home and owner if they are not there; an existing home is left as it is. */
  create(home: { id: string; account: string; name: string; owner: string }): Promise<void>;
  /** The ids of the account's homes. */
  idsOf(account: string): Promise<string[]>;
  get(id: string): Promise<HomeRecord | undefined>;
}
