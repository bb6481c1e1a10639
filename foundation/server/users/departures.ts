import {
  InvalidField,
  NotFound,
  type PlatformDb,
  PlatformError,
  type Queryable,
  type Transaction,
} from '@aether/platform';
import { tellNobody, untilKept } from '../acts/many.ts';
import { requireAnotherAdmin, type StaffUser, staffColumns } from './users.ts';

/*
 * Somebody leaves: the database ends their sign-ins in every app and gives back their conversations (platform.let_go). What they have in
 * the CRM is handed over in chunks, each one transaction with the ordinary events, and each row is written down (crm.handovers), so that it
 * is given back to somebody who returns. A call does so much as it can in a few seconds. What it has not come to, the next call does.
 */

/** What somebody has, by kind: customers whose account manager they are, companies that they own, open deals, tasks that are not done, shared views. */
export type Holdings = Record<Kind, number>;
export type Departure = { user: StaffUser; handed_over: Holdings; left_over: Holdings };
/** kept: others have changed since whose it is. */
export type Return = { user: StaffUser; given_back: Holdings; kept: Holdings; is_done: boolean };

/** An administrator does not end their own access: somebody else does that, who stays. */
export class OwnDeparture extends PlatformError {
  constructor() {
    super(
      'own-departure',
      409,
      'Another administrator enters that you left: you would lose access in the middle of it.',
    );
  }
}

const chunkMax = 250;
/** One view at a time: the name that one gets may be the name of the next. */
const viewsMax = 1;
const turnMs = 4_000;
const keptDays = 30;

type Kind = (typeof kinds)[number];
const kinds = ['customers', 'companies', 'deals', 'tasks', 'views'] as const;

const departed = '(select left(u.name, 15) from platform.users u where u.id = $1)';
const nameTaken = (name: string, by = '$2') =>
  `exists (select from crm.saved_views o where o.owner_id = ${by} and o.page = r.page and o.name = ${name})`;
const renamed = `left(r.name, 60) || ' (' || ${departed} || ')'`;

type Rows = {
  kind: string;
  table: string;
  /** The type of its ids. */
  id: string;
  /** Whose a row is. */
  owner: string;
  /** As `owner`, where that column does not say all. */
  owned?: string;
  /** Whether it is handed over: what is over stays whose it was. */
  open: string;
  customer: string;
  /** What else changes when a row is handed over, and which rows cannot be. */
  also?: string;
  except?: string;
  /** Which rows cannot be given back. */
  exceptBack?: string;
  max?: number;
};

/** A shared view whose name the successor has already gets the name of the person who left behind it. */
const rows: Record<Kind, Rows> = {
  customers: {
    kind: 'customer',
    table: 'platform.customers',
    id: 'uuid',
    owner: 'account_manager_id',
    open: 'r.merged_into is null and r.erased_at is null',
    customer: 'r.id',
  },
  companies: {
    kind: 'company',
    table: 'platform.companies',
    id: 'uuid',
    owner: 'owner_id',
    open: 'true',
    customer: 'null::uuid',
  },
  deals: {
    kind: 'deal',
    table: 'crm.deals',
    id: 'bigint',
    owner: 'owner_id',
    open: `r.status = 'open'`,
    customer: 'r.customer_id',
  },
  tasks: {
    kind: 'task',
    table: 'crm.activities',
    id: 'uuid',
    owner: 'assigned_to',
    owned: 'coalesce(r.assigned_to, r.created_by)',
    open: `r.type = 'task' and r.done_at is null`,
    customer: 'r.customer_id',
  },
  views: {
    kind: 'view',
    table: 'crm.saved_views',
    id: 'bigint',
    owner: 'owner_id',
    open: 'r.is_shared',
    customer: 'null::uuid',
    also: `, name = case when ${nameTaken('r.name')} then ${renamed} else r.name end`,
    except: `and not (${nameTaken('r.name')} and ${nameTaken(renamed)})`,
    exceptBack: `and not ${nameTaken('r.name', '$1')}`,
    max: viewsMax,
  },
};

const heldBy = ({ owner, owned = `r.${owner}`, open }: Rows) => `${owned} = $1 and ${open}`;

const none = (): Holdings => ({ customers: 0, companies: 0, deals: 0, tasks: 0, views: 0 });
const counted = (of: Record<Kind, Chunk>, read: (chunk: Chunk) => number) =>
  Object.fromEntries(kinds.map((kind) => [kind, read(of[kind])])) as Holdings;

const countOf = (kind: Kind) =>
  `(select count(*) from ${rows[kind].table} r where ${heldBy(rows[kind])})::float8 as ${kind}`;

export async function countHoldings(on: Queryable, id: string): Promise<Holdings> {
  const [counts] = await on.query<Holdings>(`select ${kinds.map(countOf).join(', ')}`, [id]);
  return counts as Holdings;
}

/**
 * Enters that somebody left, unless that is known, and hands over what they have. Another call goes on, also with another successor.
 *
 * @param to who gets it; undefined: it stays theirs for now
 * @throws NotFound, LastAdmin, OwnDeparture, InvalidField
 */
export async function leave(
  db: PlatformDb,
  id: string,
  { to, actor }: { to: string | undefined; actor: string | undefined },
): Promise<Departure> {
  if (id === actor) throw new OwnDeparture();
  const user = await untilKept(() =>
    db.transaction({ actor }, async (tx) => {
      await requireAnotherAdmin(tx, id);
      const [left] = await tx.query<StaffUser>(
        `update platform.users set left_at = coalesce(left_at, now()) where id = $1 returning ${staffColumns}`,
        [id],
      );
      if (!left) throw new NotFound('user');
      if (to !== undefined) await requireSuccessor(tx, to);
      return left;
    }),
  );
  const handed_over = to === undefined ? none() : await handOver(db, { from: id, to, actor });
  return { user, handed_over, left_over: await countHoldings(db, id) };
}

async function requireSuccessor(on: Queryable, id: string): Promise<void> {
  const found = await on.query(`select from platform.users where id = $1 and left_at is null and role <> 'reader'`, [
    id,
  ]);
  if (found.length === 0)
    throw new InvalidField([{ field: 'hand_over_to', message: 'must be somebody who works here, and no reader' }]);
}

/** Holds the people of a chunk: nothing is taken from somebody who is back meanwhile, or given to somebody who left or is a reader by now. */
async function areAsThought(tx: Transaction, { left, here }: { left?: string; here: string }): Promise<boolean> {
  const found = await tx.query(
    `select from platform.users u where u.id = $1 and u.left_at is null and u.role <> 'reader' or u.id = $2 and u.left_at is not null
     order by u.id = $1 desc for share`,
    [here, left ?? null],
  );
  return found.length === (left === undefined ? 1 : 2);
}

/** looked: at how many rows; with none, there are none left. */
type Chunk = { looked: number; changed: number };
const noChunk: Chunk = { looked: 0, changed: 0 };

/** Runs the chunks of one kind after another until there are none, or the time of this call is over. */
async function inTurns(chunk: (kind: Kind) => Promise<Chunk>): Promise<{ of: Record<Kind, Chunk>; isDone: boolean }> {
  const endsAt = performance.now() + turnMs;
  const of = Object.fromEntries(kinds.map((kind) => [kind, { looked: 0, changed: 0 }])) as Record<Kind, Chunk>;
  for (const kind of kinds)
    for (;;) {
      if (performance.now() > endsAt) return { of, isDone: false };
      const { looked, changed } = await chunk(kind);
      of[kind].looked += looked;
      of[kind].changed += changed;
      if (looked === 0) break;
    }
  return { of, isDone: true };
}

async function handOver(
  db: PlatformDb,
  { from, to, actor }: { from: string; to: string; actor: string | undefined },
): Promise<Holdings> {
  const { of } = await inTurns((kind) => {
    const { table, owner, customer, also = '', except = '', max = chunkMax, kind: word } = rows[kind];
    return untilKept(() =>
      db.transaction({ actor }, async (tx) => {
        if (!(await areAsThought(tx, { left: from, here: to }))) return noChunk;
        await tellNobody(tx);
        // Any of them are found by whose they are, without a sort of all; they are held in the order of their ids, as everywhere.
        const [done] = await tx.query<Chunk>(
          `with found as materialized (select r.id from ${table} r where ${heldBy(rows[kind])} ${except} limit $3),
           picked as materialized (
             select r.id, r.${owner} is null as was_author from ${table} r
             where r.id = any (array(select id from found)) and ${heldBy(rows[kind])} order by r.id for no key update),
           changed as (
             update ${table} r set ${owner} = $2 ${also} from picked p
             where r.id = any (array(select id from picked)) and r.id = p.id
             returning r.id, ${customer} as customer_id, p.was_author),
           kept as (
             insert into crm.handovers (from_user, kind, row_id, customer_id, to_user, was_author)
             select $1, '${word}', c.id::text, p.id, $2, c.was_author
             from changed c left join platform.customers p on p.id = c.customer_id and p.erased_at is null
             on conflict (from_user, kind, row_id) do update set customer_id = excluded.customer_id, to_user = excluded.to_user,
               was_author = excluded.was_author, created_at = now())
           select (select count(*) from found)::integer as looked, (select count(*) from changed)::integer as changed`,
          [from, to, max],
        );
        return done as Chunk;
      }),
    );
  });
  return counted(of, ({ changed }) => changed);
}

/**
 * Enters that somebody is back, and gives back what their successors still have of what was handed over in the last thirty days. Another
 * call goes on, where `is_done` is false. A reader gets nothing back; a call after another role does.
 *
 * @throws NotFound
 */
export async function comeBack(
  db: PlatformDb,
  id: string,
  { givesBack, actor }: { givesBack: boolean; actor: string | undefined },
): Promise<Return> {
  const [user] = await db.transaction({ actor }, (tx) =>
    tx.query<StaffUser>(`update platform.users set left_at = null where id = $1 returning ${staffColumns}`, [id]),
  );
  if (!user) throw new NotFound('user');
  if (!givesBack) return { user, given_back: none(), kept: none(), is_done: true };
  const { of, isDone } = await inTurns((kind) => {
    const { table, id: idType, owner, open, exceptBack = '', max = chunkMax, kind: word } = rows[kind];
    return untilKept(() =>
      db.transaction({ actor }, async (tx) => {
        if (!(await areAsThought(tx, { here: id }))) return noChunk;
        await tellNobody(tx);
        const [done] = await tx.query<Chunk>(
          `with picked as materialized (
             select h.row_id, h.row_id::${idType} as id, h.to_user, h.was_author from crm.handovers h
             where h.from_user = $1 and h.kind = '${word}' and h.created_at > now() - make_interval(days => $3)
             order by h.row_id limit $2 for update),
           changed as (
             update ${table} r set ${owner} = case when not p.was_author then $1 end from picked p
             where r.id = any (array(select id from picked)) and r.id = p.id and r.${owner} = p.to_user and ${open} ${exceptBack}
             returning r.id),
           forgotten as (
             delete from crm.handovers h
             where h.from_user = $1 and h.kind = '${word}' and h.row_id = any (array(select row_id from picked)))
           select (select count(*) from picked)::integer as looked, (select count(*) from changed)::integer as changed`,
          [id, max, keptDays],
        );
        return done as Chunk;
      }),
    );
  });
  return {
    user,
    given_back: counted(of, ({ changed }) => changed),
    kept: counted(of, ({ looked, changed }) => looked - changed),
    is_done: isDone,
  };
}
