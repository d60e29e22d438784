// The settings of a home as REST shows them: a setting that is not stored has its default.
import type { Home } from '../../protocol/model.ts';
import type { HomeRecord } from '../store/home-store.ts';

export function settingsOf({
  settings = {},
}: Pick<HomeRecord, 'settings'>): Pick<Home, 'keep' | 'keepDays' | 'country' | 'questions'> {
  const { keep = 'always', keepDays = null, country = null, questions = [] } = settings;
  return {
    keep,
    keepDays,
    country,
    questions: questions.map(({ id, kind, phone, count, of, timeMs }) => {
      return { id, kind, phone, count, of, time: new Date(timeMs).toISOString() };
    }),
  };
}
