// Stored homes, with their settings.
import type { KeepRule, Question } from '../../protocol/model.ts';

/** The role of a person in an account. */
export type Role = 'owner' | 'adult' | 'member';

export interface HomeRecord {
  id: string;
  account: string;
  name: string;
  online: boolean;
  /** Epoch milliseconds of the last change of `online`; null if no agent ever connected. */
  sinceMs: number | null;
  agent: { id: string; name: string; version?: string } | null;
  /** Absent fields have their default (`settingsOf`): DynamoDB pays for each byte of a home at each commit. */
  settings?: HomeSettings;
}

export interface HomeSettings {
  /** `always` by default. */
  keep?: KeepRule;
  /** Time of the last change of `keep`, epoch milliseconds. */
  keepSinceMs?: number;
  keepDays?: number;
  /** ISO 3166-1 alpha-2. */
  country?: string;
  questions?: readonly StoredQuestion[];
  /** By the phone's id. */
  missing?: Readonly<Record<string, MissingNotes>>;
}

export interface StoredQuestion extends Omit<Question, 'time'> {
  timeMs: number;
  /** When the last of the messages in question went missing, epoch milliseconds. */
  upToMs: number;
}

/** Decisions about messages that a phone no longer lists, under `like-the-phone`. */
export interface MissingNotes {
  /** The household keeps messages that were missing at this time, epoch milliseconds. */
  keptUpToMs?: number;
  /** The household deletes the other messages that were missing at this time, epoch milliseconds. */
  deleteUpToMs?: number;
  /** Messages deleted without a question within `countedTogetherMs`, by day: epoch milliseconds and count. */
  deleted?: readonly (readonly [dayMs: number, count: number])[];
}

export interface HomeStore {
  /** Creates account, home and owner where they do not exist; an existing home stays unchanged. */
  create(home: { id: string; account: string; name: string; owner: string }): Promise<void>;
  /** The ids of the account's homes. */
  idsOf(account: string): Promise<string[]>;
  get(id: string): Promise<HomeRecord | undefined>;
}
