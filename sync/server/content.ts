import type { LoggedEvent } from '../operations/log.ts';

/*
 * The one place that decides what the console shows of an event and of an error. Every person of staff sees events about records that every
 * app may see (customers, companies, users, tiers), and administrators those of one app as well. The text of messages and notes is
 * shown to nobody: an operator mends events, and needs no conversation for it.
 */

/** Columns that hold what people wrote to each other or about each other, by the entity: the first word of the event's type. */
const texts: Readonly<Record<string, readonly string[]>> = {
  message: ['body', 'choices'],
  entry: ['body'],
  activity: ['description', 'metadata'],
  call: ['notes'],
};

/** What is missing of an event, and why. */
export type Withheld = {
  /** Columns whose text the console never shows. */
  columns: string[];
  /** The whole content is for administrators. */
  audience: boolean;
};

export type ShownEvent = LoggedEvent & { withheld: Withheld };

/** An event as this person may see it. Pure. */
export function showEventTo(event: LoggedEvent, { isAdministrator }: { isAdministrator: boolean }): ShownEvent {
  if (event.audience !== 'platform' && !isAdministrator)
    return { ...event, data: {}, previous: {}, withheld: { columns: [], audience: true } };
  const hidden = texts[event.type.split('.')[0] as string] ?? [];
  const columns = hidden.filter((column) => column in event.data || column in event.previous);
  const without = (values: Record<string, unknown>) =>
    Object.fromEntries(Object.entries(values).filter(([column]) => !columns.includes(column)));
  return {
    ...event,
    data: without(event.data),
    previous: without(event.previous),
    withheld: { columns, audience: false },
  };
}

/** The text of an error may name a person; its class and its shape do not. Administrators see it. Pure. */
export function showErrorTo<Failed extends { error: string | null }>(
  failed: Failed,
  { isAdministrator }: { isAdministrator: boolean },
): Failed {
  return isAdministrator ? failed : { ...failed, error: null };
}
