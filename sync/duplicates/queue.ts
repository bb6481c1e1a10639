import { sayReason } from '@aether/importer';
import {
  NotFound,
  type Order,
  type Paging,
  type Placed,
  type PlatformDb,
  type Queryable,
  readList,
  type Transaction,
} from '@aether/platform';
import { act, OperationRefused } from '../operations/acting.ts';
import { type Bridge, findBridges } from './clusters.ts';

/*
 * The queue of duplicates as the console shows it: see 0021_duplicates.sql. Pairs are read here; every decision is a function of the
 * database, and a merge is platformDb's.
 */

export const pairStates = ['open', 'unsure', 'merged', 'different'] as const;
export type PairState = (typeof pairStates)[number];
export const pairSources = ['detected', 'import', 'verified_claim', 'unmerged', 'person'] as const;

export type PairFilter = {
  state: PairState;
  /** A user, or `nobody`. */
  assigned?: string | undefined;
  source?: string | undefined;
  /** Pairs with a smaller score are left out. */
  score?: number | undefined;
};

type Named = { id: string; name: string; email: string };
export type Pair = {
  id: string;
  state: PairState;
  customer: Named;
  other: Named;
  score: number;
  reasons: string[];
  source: string;
  run: string | null;
  assigned_to: string | null;
  assigned_name: string | null;
  created_at: Date;
  decided_at: Date | null;
  decided_by: string | null;
  decided_name: string | null;
  merge: string | null;
  rules: string | null;
};

/** Counts end one above this. */
export const countedMax = 10_000;
/** A cluster is shown up to this size: larger ones are a chain that somebody takes apart piece by piece. */
export const membersMax = 12;

const named = (c: string) =>
  `jsonb_build_object('id', ${c}.id, 'email', ${c}.email, 'name', case when ${c}.erased_at is null then ${c}.name else 'erased' end)`;
const columns = `r.id, r.state, ${named('a')} as customer, ${named('b')} as other, r.customer_id, r.other_id, r.score, r.reasons,
  r.reason as source, r.run::text, r.assigned_to, p.name as assigned_name, r.created_at, r.decided_at, r.decided_by, d.name as decided_name,
  r.merge, r.rules`;
const tables = `platform.review_candidates r
  join platform.customers a on a.id = r.customer_id join platform.customers b on b.id = r.other_id
  left join platform.users p on p.id = r.assigned_to left join platform.users d on d.id = r.decided_by`;
type Row = Pair & { customer_id: string; other_id: string };

const isUndecided = (state: PairState) => state === 'open' || state === 'unsure';
const byScore: Order = { by: 'r.score', type: 'float8', id: 'r.id', idType: 'uuid' };
const byDecision: Order = { by: 'r.decided_at', type: 'timestamptz', id: 'r.id', idType: 'uuid' };

/** The pairs of a state: undecided ones by their score, decided ones by the time of the decision, each the highest first. */
export async function listPairs(on: Queryable, filter: PairFilter, paging: Paging): Promise<Placed<Pair>[]> {
  const order = isUndecided(filter.state) ? byScore : byDecision;
  const rows = await readList<Row>(on, { order, direction: 'desc', ...paging }, (parameter) => ({
    columns,
    from: tables,
    where: conditionsOf(filter, parameter),
  }));
  return rows.map(({ customer_id: _, other_id: __, ...row }) => inWords(row));
}

function conditionsOf(filter: PairFilter, parameter: (value: unknown, type?: string) => string): string[] {
  const { state, assigned, source, score } = filter;
  return [
    // The states are written out, so that the index of the queue serves the list.
    isUndecided(state) ? `r.is_asked and r.state in ('open', 'unsure')` : `r.state in ('merged', 'different')`,
    `r.state = ${parameter(state)}`,
    ...(assigned === undefined
      ? []
      : [assigned === 'nobody' ? 'r.assigned_to is null' : `r.assigned_to = ${parameter(assigned)}`]),
    ...(source === undefined ? [] : [`r.reason = ${parameter(source)}`]),
    ...(score === undefined ? [] : [`r.score >= ${parameter(score, 'float8')}`]),
  ];
}

/** How many pairs of each state the rest of the filter leaves; up to 10,001. */
export async function countPairs(on: Queryable, filter: Omit<PairFilter, 'state'>): Promise<Record<PairState, number>> {
  const counts = await Promise.all(
    pairStates.map(async (state) => {
      const values: unknown[] = [];
      const where = conditionsOf(
        { ...filter, state },
        (value, type) => `$${values.push(value)}${type ? `::${type}` : ''}`,
      );
      const [row] = await on.query<{ n: number }>(
        `select count(*)::integer as n from (
           select from platform.review_candidates r where ${where.join(' and ')} limit ${countedMax + 1}) c`,
        values,
      );
      return [state, row?.n ?? 0] as const;
    }),
  );
  return Object.fromEntries(counts) as Record<PairState, number>;
}

/** Whoever may decide about pairs, by name. */
export function listDeciders(on: Queryable): Promise<{ id: string; name: string }[]> {
  return on.query(
    `select id, name from platform.users where role in ('admin', 'steward') and left_at is null order by name, id limit 200`,
  );
}

const inWords = <Each extends { reasons: string[] }>(pair: Each): Each => ({
  ...pair,
  reasons: pair.reasons.map(sayReason),
});

export type Cluster = {
  /** The pair that was asked for. */
  pair: Pair;
  pairs: Pair[];
  members: Record<string, unknown>[];
  bridges: Bridge[];
  /** Which of the members goes on, unless somebody chooses another one: the one with most rows, then the oldest. */
  survivor: string | null;
  /** There are more members than are shown. */
  isCut: boolean;
};

/** A pair with all customers to which undecided pairs connect it. The caller's transaction has a steward as its actor. @throws NotFound */
export async function readCluster(tx: Queryable, id: string): Promise<Cluster> {
  const [asked] = await tx.query<Row>(`select ${columns} from ${tables} where r.id = $1`, [id]);
  if (!asked) throw new NotFound('pair of customers');
  const members = new Set([asked.customer_id, asked.other_id]);
  let pairs: Row[] = [];
  let isCut = false;
  if (isUndecided(asked.state)) {
    for (let known = 0; known < members.size && !isCut; ) {
      known = members.size;
      pairs = await tx.query<Row>(
        `select ${columns} from ${tables}
         where r.is_asked and r.state in ('open', 'unsure') and (r.customer_id = any ($1) or r.other_id = any ($1))
         order by r.score desc, r.id limit 200`,
        [[...members]],
      );
      for (const { customer_id, other_id } of pairs)
        for (const member of [customer_id, other_id])
          if (members.size < membersMax) members.add(member);
          else isCut ||= !members.has(member);
    }
    pairs = pairs.filter(({ customer_id, other_id }) => members.has(customer_id) && members.has(other_id));
  }
  const [row] = await tx.query<{ members: Member[] }>('select platform.describe_duplicates($1) as members', [
    [...members],
  ]);
  const described = row?.members ?? [];
  const shown = described.map((member) => member.id);
  return {
    pair: inWords(asked),
    pairs: pairs.map(inWords),
    members: described,
    bridges: findBridges(shown, pairs),
    survivor: described.toSorted(bySubstance)[0]?.id ?? null,
    isCut,
  };
}

type Member = Record<string, unknown> & {
  id: string;
  deals: number;
  conversations: number;
  activities: number;
  created_at: string;
};
const substanceOf = ({ deals, conversations, activities }: Member) => deals + conversations + activities;
const bySubstance = (a: Member, b: Member) =>
  substanceOf(b) - substanceOf(a) || order(a.created_at, b.created_at) || order(a.id, b.id);
const order = (a: string, b: string) => Number(a > b) - Number(a < b);

export type SeenPair = { id: string; state: 'open' | 'unsure' | 'different' };

/** Decides about pairs, all or none of them. @returns the act, by which it is undone. @throws OperationRefused */
export async function decidePairs(
  tx: Queryable,
  pairs: readonly SeenPair[],
  decision: 'different' | 'unsure',
): Promise<string> {
  let first: string | undefined;
  // In one order, so that of two people who decide about the same pairs one waits for the other.
  for (const { id, state } of pairs.toSorted((a, b) => (a.id < b.id ? -1 : 1))) {
    const made = await act<string>(tx, 'platform.decide_candidate($1, $2, $3)', [id, decision, state]);
    first ??= String(made);
  }
  return first as string;
}

/** Nobody of the one side is anybody of the other one. @returns the act; null if all of that was known. @throws OperationRefused */
export async function setApart(
  tx: Queryable,
  left: readonly string[],
  right: readonly string[],
): Promise<string | null> {
  const [first] = await act<(string | number)[]>(tx, 'platform.set_apart($1, $2)', [left, right]);
  return first === undefined ? null : String(first);
}

/** @returns how many pairs it were. @throws OperationRefused */
export const assignPairs = (tx: Queryable, pairs: readonly string[], person: string | null): Promise<number> =>
  act<number>(tx, 'platform.assign_candidates($1, $2)', [pairs, person]);

type Merging = {
  survivor: string;
  losers: string[];
  expectedVersions: Record<string, number>;
  pairs: SeenPair[];
};

/**
 * Merges customers of the queue, with the choices that the preview shows by itself.
 *
 * @throws OperationRefused if somebody has decided about one of the pairs meanwhile; and what mergeCustomers throws
 */
export async function mergePairs(
  db: PlatformDb,
  tx: Transaction,
  { survivor, losers, expectedVersions, pairs }: Merging,
) {
  const evidence = await tx.query(
    `select r.id, r.score, r.reasons, r.rules, r.reason as source from platform.review_candidates r where r.id = any ($1)`,
    [pairs.map(({ id }) => id)],
  );
  const merged = await db.mergeCustomers(survivor, losers, {
    reason: 'Duplicates',
    evidence: { pairs: evidence },
    expectedVersions,
    tx,
  });
  await act(tx, 'platform.refuse_apart($1)', [merged.merges.map(({ merge }) => merge)]);
  const decisions = await tx.query<{ id: string; candidate: string; was: string | null }>(
    `select id::text, candidate, was from platform.review_decisions
     where act = pg_current_xact_id() and decided_at = now() order by id`,
  );
  for (const { candidate, was } of decisions) {
    const seen = pairs.find(({ id }) => id === candidate)?.state ?? 'open';
    if (was !== null && was !== seen) throw new OperationRefused('not-possible', meanwhile(was));
  }
  return { act: (decisions[0] as { id: string }).id, merged };
}

const meanwhile = (state: string) => `Somebody has decided about one of these pairs meanwhile: ${state}.`;

export type Act = {
  act: string;
  decided_at: Date;
  became: PairState;
  pairs: { id: string; customer: Named; other: Named; was: PairState | null }[];
};

/**
 * What a person has decided here last and can undo, the newest first: not what an import of theirs brought along, nor that two are different
 * because their merge was taken back.
 */
export function listActs(on: Queryable, person: string, limit = 20): Promise<Act[]> {
  return on.query<Act>(
    `select min(d.id)::text as act, d.decided_at, min(d.became) as became,
       jsonb_agg(jsonb_build_object('id', r.id, 'was', d.was, 'customer', ${named('a')}, 'other', ${named('b')}) order by d.id) as pairs
     from (
       select * from platform.review_decisions x
       where x.decided_by = $1 and x.decided_by_login = session_user and x.undone_at is null and x.was is distinct from 'merged'
       order by x.id desc limit $2 * 20) d
       join platform.review_candidates r on r.id = d.candidate
       join platform.customers a on a.id = r.customer_id join platform.customers b on b.id = r.other_id
     group by d.act, d.decided_at order by min(d.id) desc limit $2`,
    [person, limit],
  );
}

/**
 * Takes an act back: merges are taken apart, and the pairs are as they were before it.
 *
 * @throws NotFound, OperationRefused if somebody has decided since; and what unmergeCustomers throws
 */
export async function undoAct(db: PlatformDb, tx: Transaction, id: string): Promise<{ pairs: string[] }> {
  const decisions = await tx.query<{ id: string; candidate: string; merge: string | null }>(
    `select d.id::text, d.candidate, d.merge from platform.review_decisions f
       join platform.review_decisions d on d.act = f.act and d.decided_at = f.decided_at
     where f.id = $1 order by d.id desc`,
    [id],
  );
  if (decisions.length === 0) throw new NotFound('decision');
  await takeApart(
    db,
    tx,
    decisions.flatMap(({ merge }) => merge ?? []),
  );
  for (const decision of decisions) await act(tx, 'platform.undo_decision($1)', [decision.id]);
  return { pairs: decisions.map(({ candidate }) => candidate) };
}

/** Somebody may have taken some apart on the page of merges: then there is nothing to do, and the pairs decide whether that was all. */
async function takeApart(db: PlatformDb, tx: Transaction, merges: readonly string[]): Promise<void> {
  if (merges.length === 0) return;
  const rows = await tx.query<{ id: string }>(
    `select m.id from platform.merges m join unnest($1::uuid[]) with ordinality g (id, place) on g.id = m.id
     where m.undone_at is null order by g.place`,
    [merges],
  );
  if (rows.length > 0)
    await db.unmergeSeveral(
      rows.map(({ id }) => id),
      { tx },
    );
}
