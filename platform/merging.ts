import pg from 'pg';
import { NotFound, StewardOnly, VersionConflict } from './errors.ts';
import { isUuid } from './fields.ts';
import type { Connection } from './log/connection.ts';
import { InvalidField } from './log/errors.ts';
import type { Queryable } from './log/query.ts';
import type { InTransaction, Transaction, Write } from './log/transaction.ts';

/** For each field (`name`, `email`, `account_tier`, `custom.colour` …) whose value the survivor gets: over the rules of a merge. */
export type MergeChoices = Record<string, 'survivor' | 'loser' | (string & {})>;

/** A value, the app that wrote it last, and when. */
export type MergeValue = { value: unknown; source: string; at: string };

/** One field that at least one of the two customers has. */
export type MergeField<Value = MergeValue | null> = {
  field: string;
  survivor: Value;
  loser: Value;
  /** The side whose value the survivor gets. */
  chosen: 'survivor' | 'loser';
  by: 'rule' | 'choice';
  /** In words for a person. */
  why: string;
};

type MergeParty = { id: string; name: string; email: string; version: number };

/** What a merge of two customers would do. */
export type MergePreview = {
  /** Null: there is no such customer. */
  survivor: MergeParty | null;
  loser: MergeParty | null;
  fields: MergeField[];
  /** The rows that move to the survivor, by table. */
  moves: { table: string; column: string; rows: number }[];
  /** The rows that cannot move; the ledger keeps them. */
  cannot: { table: string; rows: number; why: string }[];
  /** Why the merge would be refused: the code of its error. `detail` of customer-merged is the survivor. */
  refused: { code: string; message: string; detail?: unknown; column?: string; hint?: string } | null;
};

/** What a merge did with one customer. */
export type MergedCustomer = {
  /** The id of the merge: unmergeCustomers takes it back. */
  merge: string;
  loser: string;
  fields: MergeField<unknown>[];
  /** Rows by table. */
  moved: Record<string, number>;
  suppressed: Record<string, number>;
};

export type Merged = { survivor: string; version: number; merges: MergedCustomer[] };

export type UnmergePreview = {
  merge: string;
  survivor: string | null;
  loser: string | null;
  /** Fields that get the value back that the survivor had. */
  fieldsBack: string[];
  /** Fields that were edited since and stay. */
  fieldsKept: { field: string; written: unknown; present: unknown }[];
  /** Rows that go home, by table. */
  home: Record<string, number>;
  /** Rows that do not go home, and why; of each table two hundred at most. */
  kept: { table: string; key: string; why: string }[];
  /** Rows that came after the merge and carry what only the loser had: they go home unless a choice `<table>:<key>` says `stay`. */
  ambiguous: { table: string; key: string; why: string; default: 'home' | 'stay'; decided?: 'home' | 'stay' }[];
  refused: { code: string; message: string; detail?: unknown } | null;
};

export type Unmerged = Omit<UnmergePreview, 'survivor' | 'loser' | 'refused'> & {
  /** The customer that goes on: the survivor, or what that was merged into since. */
  survivor: string;
  loser: string;
  version: number;
  loserVersion: number;
};

/** A row of platform.merges, as every app may read it. */
export type Merge = {
  id: string;
  survivor_id: string;
  loser_id: string;
  merged_at: Date;
  actor: string | null;
  undone_at: Date | null;
};

/** A merge of a hundred thousand rows takes seconds: more than an ordinary statement may. */
const mergeTimeoutMs = 300_000;

export type MergeCalls = ReturnType<typeof mergeCalls>;

/**
 * The calls of platformDb that merge customers and take merges apart: docs/merging.md. Only the console's login, for a steward or an
 * administrator who is signed in, and the worker's login may do it. All but getMerges throw StewardOnly for everybody else.
 */
export function mergeCalls(connection: Connection) {
  async function previewMerge(
    survivorId: string,
    loserIds: readonly string[],
    { fields = {}, tx }: InTransaction & { fields?: MergeChoices } = {},
  ): Promise<MergePreview[]> {
    requireIds([survivorId, ...loserIds]);
    const previews: MergePreview[] = [];
    for (const loser of loserIds)
      previews.push(
        await ask<MergePreview>(tx ?? connection, 'select platform.preview_merge($1, $2, $3) as answer', [
          survivorId,
          loser,
          JSON.stringify(fields),
        ]),
      );
    return previews;
  }

  async function mergeCustomers(
    survivorId: string,
    loserIds: readonly string[],
    {
      fields = {},
      reason,
      evidence = {},
      expectedVersions = {},
      ...write
    }: Write & {
      fields?: MergeChoices;
      reason?: string;
      evidence?: Record<string, unknown>;
      expectedVersions?: Record<string, number>;
    } = {},
  ): Promise<Merged> {
    requireIds([survivorId, ...loserIds]);
    return connection.within(write, (tx) =>
      change<Merged>(tx, 'select platform.merge_customers($1, $2, $3, $4, $5, $6) as answer', [
        survivorId,
        loserIds,
        JSON.stringify(fields),
        reason ?? null,
        JSON.stringify(evidence),
        JSON.stringify(expectedVersions),
      ]),
    );
  }

  async function previewUnmerge(
    mergeId: string,
    { choices = {}, ...write }: Write & { choices?: Record<string, 'home' | 'stay'> } = {},
  ): Promise<UnmergePreview> {
    if (!isUuid(mergeId)) throw new NotFound('merge');
    const preview = await connection.within(write, (tx) =>
      change<UnmergePreview>(tx, 'select platform.preview_unmerge($1, $2) as answer', [
        mergeId,
        JSON.stringify(choices),
      ]),
    );
    if (preview.refused?.code === 'not-found') throw new NotFound('merge');
    return preview;
  }

  async function unmergeCustomers(
    mergeId: string,
    { choices = {}, ...write }: Write & { choices?: Record<string, 'home' | 'stay'> } = {},
  ): Promise<Unmerged> {
    if (!isUuid(mergeId)) throw new NotFound('merge');
    return connection.within(write, (tx) =>
      change<Unmerged>(tx, 'select platform.unmerge_customers($1, $2) as answer', [mergeId, JSON.stringify(choices)]),
    );
  }

  async function unmergeSeveral(mergeIds: readonly string[], write: Write = {}): Promise<Unmerged[]> {
    for (const id of mergeIds) if (!isUuid(id)) throw new NotFound('merge');
    return connection.within(write, (tx) =>
      change<Unmerged[]>(tx, 'select platform.unmerge_several($1) as answer', [mergeIds]),
    );
  }

  async function getMerges(customerId: string, { tx }: InTransaction = {}): Promise<Merge[]> {
    if (!isUuid(customerId)) return [];
    return (tx ?? connection).run<Merge>(listMerges, [customerId]);
  }

  return {
    /**
     * What a merge would do: one preview for each of the losers. It changes and locks nothing.
     *
     * @throws StewardOnly
     */
    previewMerge,
    /**
     * Merges customers into the survivor, in one transaction over all tables that refer to customers. The ids, numbers and addresses of
     * the losers lead to the survivor from then on. One event customer.merged for each loser.
     *
     * @param fields choices over the rules; of several losers the id says which.
     * @param expectedVersions by id: the merge is refused if one of them has changed since.
     * @param evidence what the decision relied on, for the ledger.
     * @throws StewardOnly, CustomerMerged (with the survivor of the one that is merged already), CustomerErased, NotFound, SameCustomer,
     * VersionConflict, InvalidField for a choice, TransactionConflict if rows of the customers are being written without an end.
     */
    mergeCustomers,
    /**
     * What taking a merge back would do: the report of a trial that is taken back at once. It changes nothing, and holds both customers for as
     * long as the unmerge would.
     *
     * @param choices as those of `unmergeCustomers`
     * @throws StewardOnly, NotFound, TransactionConflict
     */
    previewUnmerge,
    /**
     * Takes one merge back, in whatever order merges are taken back. One event customer.unmerged. The two are kept apart from then on: no
     * rule proposes them again.
     *
     * @param choices for rows that the preview calls ambiguous: `{ '<table>:<key>': 'home' | 'stay' }`.
     * @throws StewardOnly, NotFound, MergeUndone, CustomerErased, InvalidField for a choice, TransactionConflict
     */
    unmergeCustomers,
    /**
     * Takes several merges back in the order given, the newest first, all of them or none: as `unmergeCustomers`, but their customers are held
     * together, and for as long as the whole takes.
     *
     * @throws as unmergeCustomers
     */
    unmergeSeveral,
    /** The merges in which this customer was the survivor or the loser, the newest first, also those that were taken back. */
    getMerges,
  };
}

const listMerges = {
  name: 'merges-of-customer',
  text: `select m.id, m.survivor_id, m.loser_id, m.merged_at, m.actor, m.undone_at from platform.merges m
    where m.survivor_id = $1 or m.loser_id = $1 order by m.merged_at desc, m.id desc`,
};

function requireIds(ids: readonly string[]): void {
  for (const id of ids) if (!isUuid(id)) throw new NotFound('customer');
}

async function ask<Answer>(on: Queryable, text: string, values: unknown[]): Promise<Answer> {
  const [row] = await on.query<{ answer: Answer }>(text, values, { timeoutMs: mergeTimeoutMs }).catch((error) => {
    throw refuse(error);
  });
  return (row as { answer: Answer }).answer;
}

async function change<Answer>(tx: Transaction, text: string, values: unknown[]): Promise<Answer> {
  await tx.query(`select set_config('statement_timeout', $1, true)`, [String(mergeTimeoutMs)]);
  return ask<Answer>(tx, text, values);
}

/** The refusals of the functions that are no constraint: the others are translated with all refusals. */
function refuse(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const { constraint, code, column, hint, detail } = error;
  if (code === '42501') return new StewardOnly(error);
  if (constraint === 'customer_missing') return new NotFound('customer');
  if (constraint === 'merge_missing') return new NotFound('merge');
  if (constraint === 'customers_version') {
    const { expected, actual } = JSON.parse(detail ?? '{}') as { expected: number; actual: number };
    return new VersionConflict('customer', expected, actual);
  }
  if (constraint === 'merge_choice' || constraint === 'merge_customers')
    return new InvalidField([{ field: column || 'losers', message: hint || 'must name 1 to 50 customers' }], error);
  return error;
}
