import { readFlag, readOneOf, readText } from '../inputs/urlvalues.ts';

export type TaskSearch = {
  /** Id of the user who is to do them, or `all`; the signed-in person's by default. */
  whose?: string;
  state?: 'done';
  due?: (typeof dues)[number];
  /** The dialog for a new task is open. */
  create?: true;
};

export const dues = ['overdue', 'today', 'week'] as const;

/** The search of the tasks' URL; unknown values are left out. */
export function readTaskSearch(given: Record<string, unknown>): TaskSearch {
  return {
    whose: readText(given.whose),
    state: readOneOf(given.state, ['done']),
    due: readOneOf(given.due, dues),
    create: readFlag(given.create),
  };
}
