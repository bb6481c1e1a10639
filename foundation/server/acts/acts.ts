import { pagesOf } from '@aether/http';
import {
  InvalidField,
  NotFound,
  type PlatformDb,
  PlatformError,
  ReferenceNotFound,
  requireMentions,
  type Transaction,
} from '@aether/platform';
import type { CustomerFilters } from '../customers/customermatch.ts';
import { listCustomers } from '../customers/customers.ts';
import { tellNobody, untilKept } from './many.ts';

/*
 * One act on many customers. It runs in chunks, each one transaction with one statement: that statement holds the rows of the chunk in the
 * order of their ids, judges each of them, changes those that may be changed with the ordinary triggers, and writes down what they had
 * before (crm.act_customers). So every change has the event, the history and the version that the change of one customer has, and the
 * outcome names each customer that was not changed, with the reason. A chunk that is committed stays when a later one fails.
 *
 * An undo takes back what is still as the act left it. What somebody has changed since stays theirs.
 */

/** More customers than this are not changed in one act. */
export const actedMax = 5_000;
const chunkMax = 250;
/** Of an act on more customers than this nobody is told. */
const toldMax = 20;
const refusedMax = 100;

export type NewTaskOfAct = { description: string; due_at?: string | undefined; assigned_to?: string | undefined };
export type Act =
  | { kind: 'owner' | 'tier' | 'company'; given: string | null }
  | { kind: 'tag' | 'untag'; given: number }
  | { kind: 'task'; task: NewTaskOfAct; clientId: string };

/** The chosen customers with the versions that the caller saw, or those that match but for a few. */
export type Chosen = { versions: Record<string, number> } | { filters: CustomerFilters };

type Reason = 'same' | 'version' | 'since' | 'gone' | 'left' | 'reads' | 'merged' | 'erased' | 'missing' | 'failed';
type Judged = { id: string; name: string | null; state: 'changed' | Reason; detail?: string };

export type Refused = { customer: { id: string; name: string | null }; code: string; detail: string };
export type Outcome = {
  /** By which it is undone; null if nothing was changed. */
  id: string | null;
  changed: number;
  /** They had it already. */
  unchanged: number;
  refused_count: number;
  /** At most a hundred of them. */
  refused: Refused[];
};

/**
 * @param named the id of the act, if the caller gives one: by it they can undo what was done although no answer came.
 * @throws InvalidField, ReferenceNotFound, Problem of the first chunk: nothing is changed then
 */
export async function actOnCustomers(
  db: PlatformDb,
  act: Act,
  chosen: Chosen,
  actor: string | undefined,
  named?: string,
): Promise<Outcome> {
  const asked = await readChosen(db, chosen);
  let id: string | null = null;
  const judged = await inChunks(asked, async (chunk, isFirst) => {
    const kept = await untilKept(() =>
      db.transaction({ actor }, async (tx) => {
        if (asked.length > toldMax) await tellNobody(tx);
        if (isFirst) await requireGiven(tx, act);
        const actId = id ?? (await beginAct(tx, act, named));
        const isWanted = isFirst || (await holdAct(tx, actId));
        return { actId, rows: isWanted ? await judgeAndChange(tx, act, actId, chunk) : chunk.map(notWanted) };
      }),
    );
    id = kept.actId;
    return kept.rows;
  });
  const outcome = await sayOutcome(db, judged, id);
  return outcome.changed === 0 ? { ...outcome, id: null } : outcome;
}

/**
 * Takes an act of this person back. One that fails, or that ended with its server, can be tried again: it goes on where it was. An act that
 * still goes on stops; one that has not begun yet, because its caller gave it up soon, takes its id as used and does not begin.
 *
 * @throws NotFound for one of somebody else, of another day, or that was undone
 */
export async function undoAct(db: PlatformDb, id: string, actor: string): Promise<Outcome> {
  const act = await db.transaction({ actor }, async (tx) => {
    const instead = await tx.query(
      `insert into crm.acts (id, kind) values ($1, 'task') on conflict do nothing returning id`,
      [id],
    );
    const [begun] = await tx.query<{ kind: Act['kind']; given: string | null }>(
      `update crm.acts a set undone_at = now()
       where a.id = $1 and a.actor = $2 and a.created_at > now() - interval '1 day' and (a.undone_at is null
         or a.undone_at < now() - interval '1 minute' and exists (select from crm.act_customers k where k.act = a.id))
       returning a.kind, a.given`,
      [id, actor],
    );
    return instead.length > 0 ? undefined : begun;
  });
  if (!act) throw new NotFound('act of yours that can be undone');
  const letGo = () => db.query('update crm.acts set undone_at = null where id = $1', [id]);
  try {
    const changed = await db.query<{ id: string }>(
      'select k.customer_id as id from crm.act_customers k where k.act = $1 order by k.customer_id',
      [id],
    );
    const judged = await inChunks(
      changed.map((each) => ({ ...each, version: null })),
      (chunk) =>
        untilKept(() =>
          db.transaction({ actor }, async (tx) => {
            if (changed.length > toldMax) await tellNobody(tx);
            return judgeAndUndo(tx, act, id, chunk);
          }),
        ),
    );
    if (judged.some(({ state }) => state === 'failed')) await letGo();
    return await sayOutcome(db, judged, null);
  } catch (error) {
    await letGo();
    throw error;
  }
}

type Asked = { id: string; version: number | null };

async function readChosen(db: PlatformDb, chosen: Chosen): Promise<Asked[]> {
  if ('versions' in chosen)
    return Object.entries(chosen.versions)
      .map(([id, version]) => ({ id: id.toLowerCase(), version }))
      .sort((one, other) => (one.id < other.id ? -1 : 1));
  const { filters } = chosen;
  const asked: Asked[] = [];
  const order = { sort: 'created', direction: 'desc' } as const;
  const read = async (paging: { limit: number }) =>
    (await listCustomers(db, { filters, ...order, ...paging })).customers;
  for await (const page of pagesOf(read)) {
    asked.push(...page.map(({ id, version }) => ({ id, version })));
    if (asked.length > actedMax)
      throw new InvalidField([
        { field: 'matching', message: `is more than ${actedMax} customers: narrow the filters, and act in parts` },
      ]);
  }
  return asked.sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** Runs the chunks one after another. If one fails that is not the first, it and those behind it are refused for that reason. */
async function inChunks(
  asked: Asked[],
  work: (chunk: Asked[], isFirst: boolean) => Promise<Judged[]>,
): Promise<Judged[]> {
  const judged: Judged[] = [];
  for (let at = 0; at < asked.length; at += chunkMax) {
    try {
      judged.push(...(await work(asked.slice(at, at + chunkMax), at === 0)));
    } catch (error) {
      if (at === 0) throw error;
      const detail =
        error instanceof PlatformError ? error.message : 'The server failed before it came to it. Try again.';
      const rest = asked.slice(at).map(({ id }) => ({ id, name: null, state: 'failed' as const, detail }));
      return [...judged, ...rest];
    }
  }
  return judged;
}

/** What all get must be there: it is said once, and not for each customer. */
async function requireGiven(tx: Transaction, act: Act): Promise<void> {
  if (act.kind === 'tag' || act.kind === 'untag') {
    const known = await tx.query('select from crm.tags where id = $1 for key share', [act.given]);
    if (known.length === 0) throw new ReferenceNotFound('tag_id');
  }
  if (act.kind === 'tier' && act.given !== null) {
    const known = await tx.query('select from platform.tiers where key = $1 and not is_retired', [act.given]);
    if (known.length === 0)
      throw new InvalidField([{ field: 'account_tier', message: 'is no tier that a customer can get' }]);
  }
  if (act.kind === 'owner' && act.given !== null) await requireUser(tx, act.given, 'account_manager_id');
  if (act.kind === 'company' && act.given !== null) {
    const known = await tx.query('select from platform.companies where id = $1 for key share', [act.given]);
    if (known.length === 0) throw new ReferenceNotFound('company_id');
  }
  if (act.kind === 'task') {
    await requireMentions(tx, act.task.description, { field: 'description' });
    if (act.task.assigned_to) await requireUser(tx, act.task.assigned_to, 'assigned_to');
  }
}

async function requireUser(tx: Transaction, id: string, field: string): Promise<void> {
  const known = await tx.query('select from platform.users where id = $1', [id]);
  if (known.length === 0) throw new ReferenceNotFound(field);
}

/** Acts are kept for a day; those that are older go when the next one begins. */
async function beginAct(tx: Transaction, act: Act, named: string | undefined): Promise<string> {
  await tx.query(
    `delete from crm.acts a using (
       select id from crm.acts where created_at < now() - interval '1 day' order by created_at limit 20 for update skip locked) old
     where a.id = old.id`,
  );
  const [made] = await tx.query<{ id: string }>(
    `insert into crm.acts (id, kind, given) values (coalesce($1, uuidv7()), $2, $3) on conflict do nothing returning id`,
    [named, act.kind, act.kind === 'task' ? null : act.given],
  );
  if (!made) throw new InvalidField([{ field: 'id', message: 'names another act: take a new one' }]);
  return made.id;
}

/** Holds an act until the transaction ends: an undo waits for it. @returns whether it is still wanted */
async function holdAct(tx: Transaction, id: string): Promise<boolean> {
  const wanted = await tx.query('select from crm.acts where id = $1 and undone_at is null for share', [id]);
  return wanted.length > 0;
}

const notWanted = ({ id }: Asked): Judged => ({
  id,
  name: null,
  state: 'failed',
  detail: 'It was undone before it came to it.',
});

const fieldColumns = { owner: 'account_manager_id', tier: 'account_tier', company: 'company_id' } as const;
/** What makes a value of the column from the text that an act keeps. */
const castOf = (kind: Act['kind']) => (kind === 'company' ? '::uuid' : '');

/**
 * The asked customers, held in the order of their ids. The policies of the table give no lock on one that was merged or erased. `any` has
 * the index read also while nobody has counted the rows: the whole table would be compared with each chunk.
 */
const held = (columns: string) => `
  asked as (select a.id, a.version from unnest($1::uuid[], $2::bigint[]) a (id, version)),
  held as materialized (
    select c.id, c.name, c.version, a.version as expected, ${columns}
    from asked a join platform.customers c on c.id = a.id where c.id = any ($1) order by c.id for no key update of c)`;
const answer = `
  select a.id, coalesce(j.name, p.name) as name, coalesce(j.state, case when p.id is null then 'missing'
    when p.erased_at is not null then 'erased' when p.merged_into is not null then 'merged' else 'version' end) as state
  from asked a left join judged j on j.id = a.id left join platform.customers p on p.id = a.id and p.id = any ($1)`;

function judgeAndChange(tx: Transaction, act: Act, actId: string, chunk: Asked[]): Promise<Judged[]> {
  const asked = [chunk.map(({ id }) => id), chunk.map(({ version }) => version)];
  switch (act.kind) {
    case 'owner':
    case 'tier':
    case 'company': {
      const column = fieldColumns[act.kind];
      return tx.query<Judged>(
        `with ${held(`c.${column}::text as was`)},
         judged as materialized (
           select h.id, h.name, h.was, case when h.was is not distinct from $3::text then 'same'
             when h.expected <> h.version then 'version' else 'changed' end as state
           from held h),
         changed as (update platform.customers c set ${column} = $3::text${castOf(act.kind)} from judged j
           where c.id = any ($1) and c.id = j.id and j.state = 'changed'),
         kept as (insert into crm.act_customers (act, customer_id, was) select $4, j.id, j.was from judged j where j.state = 'changed')
         ${answer}`,
        [...asked, act.given, actId],
      );
    }
    case 'tag':
    case 'untag': {
      const isTag = act.kind === 'tag';
      // What is there is what the insert finds and not what the statement saw: somebody else may have given the tag while it waited.
      const change = isTag
        ? `insert into crm.customer_tags (customer_id, tag_id)
          select h.id, $3::bigint from held h on conflict do nothing returning customer_id`
        : `delete from crm.customer_tags k using held h where k.tag_id = $3::bigint and k.customer_id = h.id returning k.customer_id`;
      return tx.query<Judged>(
        `with ${held('$4::uuid as act')},
         changed as (${change}),
         judged as materialized (
           select h.id, h.name, case when g.customer_id is null then 'same' else 'changed' end as state
           from held h left join changed g on g.customer_id = h.id),
         kept as (insert into crm.act_customers (act, customer_id) select $4, g.customer_id from changed g)
         ${answer}`,
        [...asked, act.given, actId],
      );
    }
    case 'task': {
      const { description, due_at, assigned_to } = act.task;
      return tx.query<Judged>(
        `with ${held('$4::uuid as act')},
         made as (
           insert into crm.activities (customer_id, type, description, due_at, assigned_to, idempotency_key)
           select h.id, 'task', $5, $6, $7, 'act:' || $3 || ':' || h.id from held h
           on conflict (created_by_app, idempotency_key) do nothing
           returning id, customer_id, ${digestOfTask('activities')} as digest),
         judged as materialized (
           select h.id, h.name, case when m.id is null then 'same' else 'changed' end as state
           from held h left join made m on m.customer_id = h.id),
         kept as (insert into crm.act_customers (act, customer_id, was, made) select $4, m.customer_id, m.digest, m.id from made m)
         ${answer}`,
        [...asked, act.clientId, actId, description, due_at ?? null, assigned_to ?? null],
      );
    }
  }
}

/** A task that is as it was made has this digest still. */
const digestOfTask = (of: string) =>
  `md5(jsonb_build_array(${of}.description, ${of}.due_at, ${of}.assigned_to, ${of}.remind_at, ${of}.repeats)::text)`;

function judgeAndUndo(
  tx: Transaction,
  { kind, given }: { kind: Act['kind']; given: string | null },
  actId: string,
  chunk: Asked[],
): Promise<Judged[]> {
  const asked = [chunk.map(({ id }) => id), chunk.map(({ version }) => version)];
  // What a chunk has looked at it forgets: an undo that is tried again goes on behind it.
  const ofAct = (columns: string) =>
    `${held(columns)}, known as (select h.*, k.was, k.made from held h join crm.act_customers k on k.act = $3 and k.customer_id = h.id),
     forgotten as (delete from crm.act_customers k using asked a where k.act = $3 and k.customer_id = a.id)`;
  switch (kind) {
    case 'owner':
    case 'tier':
    case 'company': {
      const column = fieldColumns[kind];
      // A tier that was retired or removed since, a person who left and a reader get nothing back.
      const isThere = {
        owner: `select from platform.users u where u.id = k.was and u.left_at is null and u.role <> 'reader'`,
        tier: 'select from platform.tiers t where t.key = k.was and not t.is_retired',
        company: 'select',
      }[kind];
      const why =
        kind === 'owner'
          ? `(select case when u.left_at is null then 'reads' else 'left' end from platform.users u where u.id = k.was)`
          : `'gone'`;
      return tx.query<Judged>(
        `with ${ofAct(`c.${column}::text as present`)},
         judged as materialized (
           select k.id, k.name, k.was, case when k.present is distinct from $4::text then 'since'
             when k.was is not null and not exists (${isThere}) then ${why} else 'changed' end as state
           from known k),
         changed as (update platform.customers c set ${column} = j.was${castOf(kind)} from judged j
           where c.id = any ($1) and c.id = j.id and j.state = 'changed')
         ${answer}`,
        [...asked, actId, given],
      );
    }
    case 'tag':
    case 'untag': {
      const isTag = kind === 'tag';
      const change = isTag
        ? `delete from crm.customer_tags g using known k
          where g.tag_id = $4::bigint and g.customer_id = k.id returning g.customer_id`
        : `insert into crm.customer_tags (customer_id, tag_id)
          select k.id, t.id from known k join crm.tags t on t.id = $4::bigint on conflict do nothing returning customer_id`;
      const otherwise = isTag ? '' : `when not exists (select from crm.tags t where t.id = $4::bigint) then 'gone'`;
      return tx.query<Judged>(
        `with ${ofAct('true as is_held')},
         changed as (${change}),
         judged as materialized (
           select k.id, k.name, case when g.customer_id is not null then 'changed' ${otherwise} else 'same' end as state
           from known k left join changed g on g.customer_id = k.id)
         ${answer}`,
        [...asked, actId, given],
      );
    }
    case 'task':
      return tx.query<Judged>(
        `with ${ofAct('true as is_held')},
         removed as (
           delete from crm.activities a using known k
           where a.id = any (array(select made from known)) and a.id = k.made and a.done_at is null
             and ${digestOfTask('a')} = k.was returning a.id),
         judged as materialized (
           select k.id, k.name, case when r.id is null then 'since' else 'changed' end as state
           from known k left join removed r on r.id = k.made)
         ${answer}`,
        [...asked, actId],
      );
  }
}

const codes: Record<Exclude<Reason, 'same'>, string> = {
  version: 'customer-version-conflict',
  since: 'customer-version-conflict',
  gone: 'invalid-field',
  left: 'invalid-field',
  reads: 'invalid-field',
  merged: 'customer-merged',
  erased: 'customer-erased',
  missing: 'not-found',
  failed: 'not-done',
};
const reasons: Record<Exclude<Reason, 'same' | 'version' | 'since'>, string> = {
  gone: 'What it had before has been retired or removed.',
  left: 'Whose it was has left.',
  reads: 'Whose it was is a reader now.',
  merged: 'It was merged into another customer.',
  erased: 'The person was erased.',
  missing: 'There is no such customer.',
  failed: 'The server failed before it came to it. Try again.',
};

async function sayOutcome(db: PlatformDb, judged: Judged[], id: string | null): Promise<Outcome> {
  const refused = judged.filter(({ state }) => state !== 'changed' && state !== 'same');
  const shown = refused.slice(0, refusedMax);
  const others = shown.filter(({ state }) => state === 'version' || state === 'since').map((each) => each.id);
  const changers = await lastChangers(db, others);
  return {
    id,
    changed: judged.filter(({ state }) => state === 'changed').length,
    unchanged: judged.filter(({ state }) => state === 'same').length,
    refused_count: refused.length,
    refused: shown.map(({ id, name, state, detail }) => ({
      customer: { id, name },
      code: codes[state as keyof typeof codes],
      detail:
        detail ??
        (state === 'version' || state === 'since'
          ? `${changers.get(id) ?? 'Somebody'} has changed it since.`
          : reasons[state as keyof typeof reasons]),
    })),
  };
}

/** Who changed each customer last, as far as the history knows it by now. */
async function lastChangers(db: PlatformDb, ids: string[]): Promise<Map<string, string>> {
  if (ids.length === 0) return new Map();
  const rows = await db.query<{ id: string; name: string }>(
    `select i.id, u.name from unnest($1::uuid[]) i (id)
     cross join lateral (
       select h.actor from crm.changes h where h.customer_id = i.id order by h.occurred_at desc, h.id desc limit 1) last
     join platform.users u on u.id = last.actor`,
    [ids],
  );
  return new Map(rows.map(({ id, name }) => [id, name]));
}
