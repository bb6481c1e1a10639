import type pg from 'pg';

/** What became of a line, or what the plan says will. */
export const outcomes = ['created', 'updated', 'unchanged', 'held', 'rejected', 'excluded'] as const;
export type Outcome = (typeof outcomes)[number];
export type Counts = Record<Outcome, number>;
export type RunState = 'reading' | 'planned' | 'applying' | 'applied' | 'undoing' | 'undone' | 'abandoned';

/** A connection of its own as sync_app: a plan copies its lines through it and holds a lock of its session. */
export type ImportClient = pg.ClientBase;

/** What a value of a person was compared with. `ours` is in the database, `theirs` in the file. */
export type Conflict = { ours: unknown; theirs: unknown };

export type RunFile = { source: string; name: string; sha256: string | null; lines: number };
export type RunStep = {
  step: 'plan' | 'apply' | 'undo' | 'abandon';
  beganAt: Date;
  /** Null: it is under way, or was cut off. */
  endedAt: Date | null;
  actor: string | null;
  login: string;
  /** Why it was done, if that was said. */
  reason: string | null;
  outcome: Record<string, unknown>;
};

export type Run = {
  id: string;
  app: string;
  state: RunState;
  files: RunFile[];
  settings: RunSettings;
  rules: string;
  lines: number;
  /** The outcomes as planned, and as they are: they differ in the lines that `changed` lists. */
  planned: Counts;
  counts: Counts;
  /** Lines whose outcome is another one than planned, by the reason. */
  changed: Record<string, number>;
  /** What the database has no place for: kind → word → lines. The kind `column` has the columns that mean nothing. */
  unmapped: Record<string, Record<string, number>>;
  /** Lines that are applied. */
  appliedTo: number;
  /** When a plan that nobody applies is given up; null: the run is no plan. */
  goesAt: Date | null;
  createdAt: Date;
  createdBy: string | null;
  steps: RunStep[];
};

export type RunSettings = {
  /** Fields that the file decides also where a customer has another value: name, phone, company, tier, owner, language, timezone, email, custom.KEY. */
  overwrite?: string[];
  /** Lines that have not changed since they were imported are compared again: what had no place then may have one now. */
  again?: boolean;
  /** How the columns were read; kept for the record. */
  mapping?: Record<string, string | null>;
  timezone?: string | null;
  phoneCountry?: string | null;
  /** Rules and thresholds of matching that differ from the standard ones, such as `name-and-place=off`. */
  matching?: string[];
  /** Of each file, how a line that was kept as it was is taken apart. */
  layouts?: FileLayout[];
  /** How many lines say something in each column that means nothing. */
  leftOut?: Record<string, number>;
};
export type FileLayout = { kind: string; headings: string[]; delimiter: string | null };

export type RunRow = {
  n: number;
  file: string;
  line: number;
  outcome: Outcome;
  planned: Outcome | null;
  code: string | null;
  message: string | null;
  customer: string | null;
  externalId: string | null;
  email: string | null;
  name: string | null;
  conflicts: Record<string, Conflict>;
  /** What the line gives a customer that was there before. */
  fills: Record<string, unknown>;
  raw: string | null;
};

/** What an undo left as it is. `written` is what the run had written, `present` what is there now. */
export type Kept = { n: number; customer: string; field: string; written: unknown; present: unknown };

/** A step of an import that is refused, with what to do instead. */
export class ImportRefused extends Error {
  override name = 'ImportRefused';
}

/** The words of the database's own refusals. @throws ImportRefused, or the error itself */
export function throwRefusal(error: unknown): never {
  const { constraint, hint, message } = error as Partial<pg.DatabaseError>;
  if (constraint === 'import_runs_state')
    throw new ImportRefused(sentenceOf([message, hint].filter(Boolean).join('. ')), { cause: error });
  throw error;
}

const sentenceOf = (words: string) => `${words.charAt(0).toUpperCase()}${words.slice(1).replace(/\.$/, '')}.`;

export const emptyCounts = (): Counts => ({
  created: 0,
  updated: 0,
  unchanged: 0,
  held: 0,
  rejected: 0,
  excluded: 0,
});
