import { formatNumber } from '@aether/ui/formats.ts';

const countedMax = 10_000;

/** `3`, or `10,000+`: the server counts no further. Pure. */
export function sayCount(count: number, isPartial = false): string {
  if (count > countedMax) return `${formatNumber(countedMax)}+`;
  return `${formatNumber(count)}${isPartial ? '+' : ''}`;
}

/** `1 event`, `10,000+ events`. Pure. */
export function sayEvents(count: number, isPartial = false): string {
  return `${sayCount(count, isPartial)} ${count === 1 && !isPartial ? 'event' : 'events'}`;
}

/** Who did it: a person's name, `root, by command`, or the login if nobody said who. Pure. */
export function sayActor(by: { actor: string | null; actor_name?: string | null | undefined; login?: string }): string {
  if (by.actor_name) return by.actor_name;
  if (by.actor?.startsWith('command:')) return `${by.actor.slice('command:'.length)}, by command`;
  return by.actor ?? by.login ?? 'the command';
}

/** The texts of a page's URL that are given, of those that it knows. Pure. */
export function readTexts<Name extends string>(
  given: Record<string, unknown>,
  names: readonly Name[],
): { [Key in Name]?: string } {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = given[name];
      const text = typeof value === 'number' ? String(value) : value;
      return typeof text === 'string' && text !== '' ? [[name, text]] : [];
    }),
  ) as { [Key in Name]?: string };
}

/** The search of a page without what is not given, so that the URL is short. Pure. */
export function without<Search extends object>(
  search: Search,
): { [Name in keyof Search]: Exclude<Search[Name], undefined> } {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as never;
}

const appNames: Record<string, string> = {
  foundation: 'Foundation',
  support: 'Support',
  console: 'the console',
  sync: 'the worker',
};
/** An app as a person calls it; a third app by its own name. Pure. */
export const nameApp = (app: string): string => appNames[app] ?? app;
