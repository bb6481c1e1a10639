/*
 * With what the command ends: each number that it can give back and what it says. The commands end with these and nothing else, `--help` prints them, and
 * the reference lists them (deploy/site/reference/command.ts).
 */

type Ending = readonly [code: number, words: string];

/** How every command can end. A shell sees 128 and the number of a signal for a process that one has ended: so says cli/launch.mjs, too. */
export const general = {
  done: [0, 'it has done what it says'],
  failed: [1, 'it is refused or has failed; one sentence on the error output says why'],
} as const satisfies Record<string, Ending>;

const deadEvent = [1, 'an event is dead'] as const;
const refusedPreview = [1, 'with --preview: it would be refused'] as const;
const refusedOrder = [1, 'the consumer refuses, or does not answer'] as const;

/** What else a command can end with, by its name without `aether`. */
export const endings = {
  start: { cut: [130, 'a second Ctrl-C has cut the stop short'] },
  'migrate restored': {
    repeats: [1, 'a sequence would give a number again'],
    roleless: [1, 'an added app has no role on this server'],
  },
  'migrate check': {
    differs: [1, 'something is pending, edited, not as database/schema.sql says, or a login can do too much'],
  },
  doctor: { warning: [1, 'a warning'], wrong: [2, 'something does not work'] },
  'events lag': {
    behind: [1, 'a subscription is further behind than it may be, or events wait too long for their numbers'],
  },
  'events parked': { dead: deadEvent },
  'events redrive': { unhandled: [1, 'something failed again, was not handled in time, or had not failed'] },
  'events redrive-all': { left: [1, 'something failed again, or was left'] },
  'events skip-all': { left: [1, 'something was left'] },
  'alerts list': { unacknowledged: [1, 'something is open that nobody has acknowledged'] },
  'alerts test': { untold: [1, 'no process has a target'] },
  health: {
    warning: [1, 'a warning, events that failed, or something that still catches up'],
    critical: [2, 'something is stalled, silent or failing'],
    unknown: [3, 'nothing is known: nothing has reported yet, or the database cannot be asked'],
  },
  'import verify': { differs: [1, 'the run and the database differ'] },
  merge: { refused: refusedPreview },
  unmerge: { refused: refusedPreview },
  'privacy find': { several: [1, 'several people are meant'] },
  'privacy erase': {
    refused: [1, 'somebody is refused, or would be with --dry-run'],
    open: [1, 'everybody is erased, and the clean-up of files and indexes has to wait'],
    stopped: [1, 'somebody has stopped the list in the console'],
  },
  'privacy hold': { unheld: [1, 'with --release: nothing was held'] },
  'privacy lift': { unknown: [1, 'nobody is kept away by it'] },
  'privacy repeat': {
    held: [1, 'a hold keeps somebody'],
    open: [1, 'everybody is erased, and the clean-up of files and indexes has to wait'],
  },
  'privacy clean-up': { open: [1, 'some of it has to wait'] },
  'servicebus status': { problem: [1, 'something is not as it must be, or a subscription has dead letters'] },
  'servicebus parked': { dead: deadEvent },
  'servicebus retry': { refused: refusedOrder },
  'servicebus skip': { refused: refusedOrder },
  'servicebus pause': { refused: refusedOrder },
  'servicebus resume': { refused: refusedOrder },
} as const satisfies Record<string, Record<string, Ending>>;

type Endings = typeof endings;

/** Lets the process end with the code of this ending, if it ends by itself. */
export function endWith<Name extends keyof Endings>(command: Name, ending: keyof Endings[Name]): void {
  process.exitCode = codeOf(command, ending);
}

/** Takes back what an earlier ending has set. */
export function endDone(): void {
  process.exitCode = general.done[0];
}

/** Lets the process end as one that was refused or has failed. */
export function endFailed(): void {
  process.exitCode = general.failed[0];
}

/** Pure. */
export function codeOf<Name extends keyof Endings>(command: Name, ending: keyof Endings[Name]): number {
  return (endings[command] as Record<PropertyKey, Ending>)[ending]?.[0] as number;
}

/** What a command can end with, by number, with what each says. Pure. @param command its name without `aether` */
export function listEndings(command: string): { code: number; words: string }[] {
  const own: Ending[] = Object.values((endings as Record<string, Record<string, Ending>>)[command] ?? {});
  const codes = [...new Set([...Object.values(general), ...own].map(([code]) => code))].sort(
    (one, other) => one - other,
  );
  return codes.map((code) => ({
    code,
    words: [...Object.values(general), ...own]
      .filter(([each]) => each === code)
      .map(([, words]) => words)
      .join('; or: '),
  }));
}
