/**
 * The states of a check, from the best to the worst. `unknown`: nothing has reported, so nothing is known; it is never shown as `ok`.
 *
 * - `ok`: it works.
 * - `paused`: a person has stopped it, and may let it go on.
 * - `catching-up`: it is behind, and moves.
 * - `warning`: it works, and somebody should look at it soon.
 * - `unknown`: nothing has reported about it.
 * - `parked`: events wait for a person.
 * - `stalled`: it is behind, and does not move.
 * - `silent`: it has reported, and no longer does.
 * - `failing`: it reports that it fails.
 */
export const statuses = [
  'ok',
  'paused',
  'catching-up',
  'warning',
  'unknown',
  'parked',
  'stalled',
  'silent',
  'failing',
] as const;

export type Status = (typeof statuses)[number];

/** One subject and one question about it, as sync.evaluate_checks() returns it. */
export type Check = {
  /** The subject: `sequencer`, `subscription:support.cache`. */
  slug: string;
  /** The question, which is also the name of its runbook page: `sequencer`, `subscription`. */
  kind: string;
  status: Status;
  /** One or two sentences for people. */
  reason: string;
  /** Since when it has had this status. */
  since: Date;
  /** The numbers behind the reason, in the units of their names: lag_seconds, parked, used_connections. */
  measures: Record<string, number>;
};

export type Health = {
  /** When the checks were made, by the clock of the database. */
  asOf: Date;
  worst: Status;
  /** The state of everything in one plain sentence. */
  sentence: string;
  /** The worst first. */
  checks: Check[];
};

const rank = (status: Status): number => statuses.indexOf(status);

/** The worst of these states; `unknown` if there is none. Pure. */
export function worstOf(found: readonly Status[]): Status {
  return found.length === 0 ? 'unknown' : found.reduce((worst, each) => (rank(each) > rank(worst) ? each : worst));
}

/** The worst first, then those that have it for the shortest time, then by their names. Pure. */
export function sortChecks(checks: readonly Check[]): Check[] {
  return [...checks].sort(
    (one, other) =>
      rank(other.status) - rank(one.status) ||
      (one.status === 'ok' ? 0 : other.since.getTime() - one.since.getTime()) ||
      (one.slug < other.slug ? -1 : 1),
  );
}

/** Puts what was found into one answer. Pure. */
export function toHealth(asOf: Date, checks: readonly Check[]): Health {
  return {
    asOf,
    worst: worstOf(checks.map(({ status }) => status)),
    sentence: sayHealth(checks),
    checks: sortChecks(checks),
  };
}

const phrases: Record<Exclude<Status, 'ok'>, [one: string, many: string]> = {
  failing: ['is failing', 'are failing'],
  silent: ['is silent', 'are silent'],
  stalled: ['is stalled', 'are stalled'],
  parked: ['has parked events', 'have parked events'],
  unknown: ['is unknown', 'are unknown'],
  warning: ['needs attention', 'need attention'],
  'catching-up': ['is catching up', 'are catching up'],
  paused: ['is paused', 'are paused'],
};

/** The state of everything in one plain sentence: the worst first, with the names of the first three. Pure. */
export function sayHealth(checks: readonly Check[]): string {
  if (checks.length === 0) return 'Nothing has been checked yet.';
  const parts = [...statuses].reverse().flatMap((status) => {
    if (status === 'ok') return [];
    const slugs = sortChecks(checks.filter((check) => check.status === status)).map(({ slug }) => slug);
    if (slugs.length === 0) return [];
    const named = slugs.length <= 3 ? join(slugs) : `${slugs.slice(0, 2).join(', ')} and ${slugs.length - 2} others`;
    return [`${named} ${phrases[status][slugs.length === 1 ? 0 : 1]}`];
  });
  return parts.length === 0 ? `All ${checks.length} checks are well.` : `${parts.join('; ')}.`;
}

function join(names: string[]): string {
  return names.length < 2 ? (names[0] ?? '') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}
