const kinds: Readonly<Record<string, string>> = {
  conversations: 'Conversations',
  calls: 'Calls',
  activities: 'Activities',
  import_lines: 'Lines of imports',
  import_plans: 'Plans of imports',
  import_files: 'Files of imports',
  setting_changes: 'Changes of settings',
  sign_ins: 'Sign-ins',
  operations: 'Records of operations',
  log: 'The log',
};

/** The name of a kind of records. */
export const sayKind = (kind: string): string => kinds[kind] ?? kind;

/** For how long something is kept. */
export const sayKept = (days: number | null): string =>
  days === null ? 'Kept until somebody is erased' : `Kept for ${days === 1 ? 'a day' : `${days} days`}`;

/** A count that ends at 10,000. */
export const sayCount = (rows: number): string => (rows > 10_000 ? 'more than 10,000' : rows.toLocaleString('en'));

const acts = { delete: 'Deleted.', scrub: 'Scrubbed.', keep: 'Kept.' } as const;

/** What an erasure does with the rows of a table. */
export const sayAct = (act: keyof typeof acts): string => acts[act];

const states = {
  asked: 'waits for a second person',
  erased: 'erased, the clean-up goes on',
  clean: 'erased, and clean',
} as const;

/** How far an erasure is. */
export const sayState = (state: keyof typeof states): string => states[state];
