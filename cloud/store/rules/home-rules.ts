// Applies a write to a home: presence, settings and questions.
import { isDeepStrictEqual } from 'node:util';
import type { HomeRecord, HomeSettings, MissingNotes, StoredQuestion } from '../home-store.ts';
import type { Write, WriteOf } from '../store.ts';
import type { Change } from './change.ts';
import { isCounted } from './deletion-count.ts';

export type HomeWrite = Extract<Write, { type: 'home.status' | 'home.change' | 'question.answer' | 'home.missing' }>;
type SettingsWrite = Exclude<HomeWrite, { type: 'home.status' }>;

const dayMs = 24 * 3_600_000;

/** Undefined where nothing changes. */
export function changeHome(current: HomeRecord, write: HomeWrite, nowMs: number): Change<HomeRecord> | undefined {
  return write.type === 'home.status' ? setStatus(current, write, nowMs) : changeSettings(current, write, nowMs);
}

/** Notes that only the cloud reads cause no event. */
function changeSettings(current: HomeRecord, write: SettingsWrite, nowMs: number): Change<HomeRecord> | undefined {
  const { settings: before = {}, ...rest } = current;
  const name = write.type === 'home.change' ? (write.name ?? current.name) : current.name;
  const settings = withoutDefaults(settingsAfter(before, write, nowMs));
  const next: HomeRecord = { ...rest, name, ...(Object.keys(settings).length > 0 && { settings }) };
  if (isDeepStrictEqual(next, current)) return undefined;
  const { missing: _, ...seen } = settings;
  const { missing: __, ...seenBefore } = before;
  if (name === current.name && isDeepStrictEqual(seen, seenBefore)) return { next };
  return { next, event: { type: 'home.updated', data: { home: current.id } } };
}

function settingsAfter(
  before: HomeSettings,
  write: SettingsWrite,
  nowMs: number,
): Partial<Record<keyof HomeSettings, unknown>> {
  switch (write.type) {
    case 'home.change': {
      const { type: _, name: __, ...given } = write;
      const changed = {
        ...before,
        ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      };
      if ((changed.keep ?? 'always') === (before.keep ?? 'always')) return changed;
      // Questions and notes of the former rule are void.
      return { ...changed, keepSinceMs: nowMs, questions: [], missing: {} };
    }
    case 'question.answer': {
      const question = before.questions?.find(({ id }) => id === write.id);
      if (question === undefined) return before;
      const answer = write.answer === 'keep' ? { keptUpToMs: question.upToMs } : { deleteUpToMs: question.upToMs };
      return {
        ...before,
        questions: before.questions?.filter(({ id }) => id !== write.id),
        missing: withNotes(before, question.phone, answer),
      };
    }
    case 'home.missing': {
      const { phone, atMs, question, deleted, isAnswerDone } = write;
      const notes: MissingNotes = {
        ...(deleted !== undefined && { deleted: counted(before.missing?.[phone]?.deleted ?? [], deleted, atMs) }),
      };
      const missing = withNotes(before, phone, notes);
      if (isAnswerDone) delete missing[phone]?.deleteUpToMs;
      return {
        ...before,
        missing,
        ...(question !== undefined && { questions: withQuestion(before, phone, question) }),
      };
    }
  }
}

function withNotes(before: HomeSettings, phone: string, notes: MissingNotes): Record<string, MissingNotes> {
  const next = { ...before.missing, [phone]: { ...before.missing?.[phone], ...notes } };
  return Object.fromEntries(Object.entries(next).filter(([, each]) => Object.keys(each).length > 0));
}

function withQuestion(before: HomeSettings, phone: string, question: StoredQuestion | null): readonly StoredQuestion[] {
  const others = (before.questions ?? []).filter((each) => each.phone !== phone);
  return question === null ? others : [...others, question];
}

type Deleted = NonNullable<MissingNotes['deleted']>;

/** By the day: at most 32 numbers. */
function counted(before: Deleted, count: number, atMs: number): Deleted {
  const day = Math.floor(atMs / dayMs) * dayMs;
  const recent = before.filter(([each]) => isCounted(each, atMs));
  const today = recent.find(([each]) => each === day)?.[1] ?? 0;
  return [...recent.filter(([each]) => each !== day), [day, today + count]];
}

function withoutDefaults(settings: Partial<Record<keyof HomeSettings, unknown>>): HomeSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => !isDefault(value)));
}

function isDefault(value: unknown): boolean {
  if (value === undefined || value === null || value === 'always') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

/** The home goes online or offline; a change of its agent alone causes no event. */
function setStatus(current: HomeRecord, write: WriteOf<'home.status'>, nowMs: number): Change<HomeRecord> | undefined {
  if (current.online === write.online) {
    return isDeepStrictEqual(current.agent, write.agent) ? undefined : { next: { ...current, agent: write.agent } };
  }
  return {
    next: { ...current, online: write.online, sinceMs: nowMs, agent: write.agent },
    event: {
      type: write.online ? 'home.online' : 'home.offline',
      data: { home: current.id, since: new Date(nowMs).toISOString() },
    },
  };
}
