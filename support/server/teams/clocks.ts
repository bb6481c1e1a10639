import type { Priority } from '../conversations/labels.ts';
import { addOpenMinutes, type OfficeHours } from '../widgets/officehours.ts';

/** Minutes; null: no target. */
export type Target = { first_response: number | null; resolution: number | null };
/**
 * How soon the visitors of a team are to get a first answer, and to be helped. `clock` office: only minutes in which people are there count.
 * A priority may have targets of its own.
 */
export type Targets = Target & {
  clock: 'office' | 'always';
  /** So many minutes of the clock before a target is missed, the agent is told. */
  warn_minutes: number;
  priorities?: Partial<Record<Priority, Partial<Target>>>;
};

/** What is to be met, and when. */
export type Clocks = {
  first_due_at: Date | null;
  resolve_due_at: Date | null;
  /** The next that is still to be met, and when the agent is told of it. */
  due_at: Date | null;
  warn_at: Date | null;
};

/**
 * The times at which targets are missed. Pure.
 *
 * @param from when the visitor first waited for a person
 * @param resolveFrom as `from`, or when the conversation was last opened again
 */
export function computeClocks(
  { hours, targets }: { hours: OfficeHours | null; targets: Targets | null },
  {
    from,
    resolveFrom,
    priority,
    isAnswered,
  }: { from: Date; resolveFrom: Date; priority: Priority; isAnswered: boolean },
): Clocks {
  if (!targets) return { first_due_at: null, resolve_due_at: null, due_at: null, warn_at: null };
  const target = targetOf(targets, priority);
  const counted = targets.clock === 'office' ? hours : null;
  const after = (start: Date, minutes: number | null, before = 0) =>
    minutes === null ? null : addOpenMinutes(counted, start, Math.max(0, minutes - before));
  // Opened again before anybody answered: the visitor waits anew.
  const firstFrom = isAnswered ? from : resolveFrom;
  const first = after(firstFrom, target.first_response);
  const resolve = after(resolveFrom, target.resolution);
  const isFirst = first !== null && !isAnswered && (resolve === null || first <= resolve);
  const warned = (minutes: number | null) => targets.warn_minutes < (minutes ?? 0);
  const [start, minutes] = isFirst ? [firstFrom, target.first_response] : [resolveFrom, target.resolution];
  const due = isFirst ? first : resolve;
  return {
    first_due_at: first,
    resolve_due_at: resolve,
    due_at: due,
    // What is never due is not warned of. A target that is as short as the warning would be warned of at once: half of it has to pass.
    warn_at: due && after(start, minutes, warned(minutes) ? targets.warn_minutes : (minutes ?? 0) / 2),
  };
}

/** The targets of a priority: its own, otherwise those of all. */
export function targetOf({ first_response, resolution, priorities }: Targets, priority: Priority): Target {
  const own = priorities?.[priority];
  return {
    first_response: own?.first_response === undefined ? first_response : own.first_response,
    resolution: own?.resolution === undefined ? resolution : own.resolution,
  };
}
