import { Refusal } from '@aether/ui/refusal.ts';

/** Whether a list was refused because it names what was removed. */
export const isOutdated = (error: unknown): error is Refusal =>
  error instanceof Refusal && error.code === 'filter-outdated';

/** What is outdated in it, by its path, such as `where.1.0` or `sort`. */
export const outdatedIn = (error: unknown): Record<string, string> => (isOutdated(error) ? error.fields : {});
