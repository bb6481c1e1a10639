import {
  goesOn,
  InvalidField,
  mentionsOf,
  type Paging,
  type Placed,
  type Queryable,
  ReferenceNotFound,
  readList,
  type Transaction,
} from '@aether/platform';
import { dayIn, isTimeZone, nextDue, type Repetition } from './repeating.ts';

/*
 * Tasks are activities of a customer: they stand in the timeline, move with a merge and go with an erasure. A task is its author's until it
 * is given to somebody. One that repeats comes again when it is ticked.
 */

/** What only a task has. Other activities have null. */
export type TaskPart = {
  /** Who is to do it; null: who wrote it. */
  assigned_to: { id: string; name: string } | null;
  /** When its person is reminded; null once the reminder was seen. */
  remind_at: Date | null;
  repeats: Repetition | null;
  /** The one in which the days of the repetition are counted. */
  time_zone: string | null;
};

export const taskColumns = `(select jsonb_build_object('id', g.id, 'name', g.name) from platform.users g where g.id = a.assigned_to)
  as assigned_to, a.remind_at, a.repeats, a.time_zone`;

/** Times are ISO 8601 with an offset. */
export type NewTask = {
  due_at?: string;
  /** Id of a user. */
  assigned_to?: string;
  remind_at?: string;
  repeats?: Repetition;
  /** Needed for a repetition, such as `Europe/Berlin`. */
  time_zone?: string;
};

export type TaskChange = { [Each in keyof NewTask]?: NewTask[Each] | null } & { is_done?: boolean };

/** @returns the values of assigned_to, remind_at, repeats, repeat_day and time_zone. @throws InvalidField, ReferenceNotFound */
export async function newTaskValues(
  tx: Queryable,
  { type, due_at, assigned_to, remind_at, repeats, time_zone }: NewTask & { type: string },
): Promise<unknown[]> {
  requireTask(type, { assigned_to, remind_at, repeats, time_zone });
  if (assigned_to) await requireUser(tx, assigned_to);
  const repetition = repeats ? repetitionOf(repeats, due_at ? new Date(due_at) : null, time_zone) : [];
  return [assigned_to, remind_at, ...(repeats ? repetition : [null, null, null])];
}

/**
 * Changes what a task has. A task that repeats and is ticked comes again; a tick that is taken back takes the next one with it, unless
 * somebody has changed that meanwhile. The caller holds the row.
 *
 * @returns the task that came because of a tick.
 * @throws InvalidField, ReferenceNotFound
 */
export async function changeTask(
  tx: Transaction,
  { id, type }: { id: string; type: string },
  { is_done, ...change }: TaskChange,
): Promise<{ id: string; due_at: Date } | undefined> {
  requireTask(type, { is_done, ...change });
  if (Object.values({ is_done, ...change }).every((each) => each === undefined)) return;
  const [known] = await tx.query<Known>(
    `select due_at, done_at, repeats, repeat_day::text, time_zone from crm.activities where id = $1`,
    [id],
  );
  if (!known) return;
  if (change.assigned_to) await requireUser(tx, change.assigned_to);
  const { due_at, assigned_to, remind_at } = change;
  const due = due_at === undefined ? known.due_at : due_at === null ? null : new Date(due_at);
  const repeats = change.repeats === undefined ? known.repeats : change.repeats;
  // What is sent again as it is, such as by a form, begins no new rhythm: the 31st would be forgotten.
  const isNewRhythm =
    repeats !== known.repeats ||
    due?.getTime() !== known.due_at?.getTime() ||
    (change.repeats === undefined && change.time_zone !== undefined && change.time_zone !== known.time_zone);
  const [, day, zone] = repeats
    ? isNewRhythm
      ? repetitionOf(repeats, due, change.time_zone ?? known.time_zone)
      : [repeats, known.repeat_day, known.time_zone]
    : [null, null, null];
  await tx.query(
    `update crm.activities a set due_at = $2, repeats = $3, repeat_day = $4, time_zone = $5,
       assigned_to = case when $6 then $7 else a.assigned_to end, remind_at = case when $8 then $9::timestamptz else a.remind_at end,
       done_at = case $10::boolean when true then coalesce(a.done_at, now()) when false then null else a.done_at end
     where a.id = $1`,
    [
      ...[id, due, repeats, day, zone, assigned_to !== undefined, assigned_to ?? null],
      ...[remind_at !== undefined, remind_at ?? null, is_done ?? null],
    ],
  );
  if (is_done === true && !known.done_at && repeats && due && day && zone)
    return comeAgain(tx, id, nextDue({ due, repeats, repeatDay: day, timeZone: zone }, new Date()));
  if (is_done === false && known.done_at) await takeBackNext(tx, id);
}

type Known = {
  due_at: Date | null;
  done_at: Date | null;
  repeats: Repetition | null;
  repeat_day: string | null;
  time_zone: string | null;
};

/** Who is to do the next one of a task; null, which means who ticks it: its person has left, or only reads. */
const nextDoer = `(
  select u.id from platform.users u where u.id = coalesce(a.assigned_to, a.created_by) and u.left_at is null and u.role <> 'reader')`;

/** The next one of a task that repeats. Its reminder is as long before it is due. */
async function comeAgain(tx: Transaction, id: string, due: Date): Promise<{ id: string; due_at: Date } | undefined> {
  const [made] = await tx.query<{ id: string; due_at: Date }>(
    `insert into crm.activities
       (customer_id, deal_id, type, description, due_at, assigned_to, remind_at, repeats, repeat_day, time_zone, repeated_from)
     select a.customer_id, a.deal_id, a.type, a.description, $2, ${nextDoer},
       $2::timestamptz - (a.due_at - a.remind_at), a.repeats, a.repeat_day, a.time_zone, a.id
     from crm.activities a where a.id = $1
     on conflict (repeated_from) where repeated_from is not null do nothing returning id, due_at`,
    [id, due],
  );
  return made;
}

/** One that somebody has changed since it came is kept. */
async function takeBackNext(tx: Transaction, id: string): Promise<void> {
  await tx.query(
    `delete from crm.activities n using crm.activities a
     where n.repeated_from = $1 and a.id = $1 and n.done_at is null and n.customer_id = a.customer_id
       and (n.description, n.repeats, n.repeat_day, n.time_zone, n.assigned_to)
         is not distinct from (a.description, a.repeats, a.repeat_day, a.time_zone, ${nextDoer})
       and n.remind_at is not distinct from n.due_at - (a.due_at - a.remind_at)`,
    [id],
  );
}

function requireTask(type: string, given: Record<string, unknown>): void {
  if (type === 'task') return;
  const faults = Object.keys(given).filter((field) => given[field] !== undefined);
  if (faults.length > 0) throw new InvalidField(faults.map((field) => ({ field, message: 'is for tasks' })));
}

async function requireUser(tx: Queryable, id: string): Promise<void> {
  const found = await tx.query('select from platform.users where id = $1', [id]);
  if (found.length === 0) throw new ReferenceNotFound('assigned_to');
}

function repetitionOf(
  repeats: Repetition,
  due: Date | null,
  timeZone: string | null | undefined,
): [repeats: Repetition, day: string, timeZone: string] {
  if (!due) throw new InvalidField([{ field: 'due_at', message: 'is needed by a task that repeats' }]);
  if (!timeZone || !isTimeZone(timeZone))
    throw new InvalidField([{ field: 'time_zone', message: 'must be a time zone, such as Europe/Berlin' }]);
  return [repeats, dayIn(due, timeZone), timeZone];
}

export type Task = TaskPart & {
  id: string;
  type: string;
  description: string;
  occurred_at: Date;
  due_at: Date | null;
  done_at: Date | null;
  mentions: { id: string; name: string }[];
  customer: { id: string; name: string };
  created_by: { id: string; name: string } | null;
};

const byDueTime = {
  order: { by: `coalesce(a.due_at, 'infinity')`, type: 'timestamptz', id: 'a.id', idType: 'uuid' },
  direction: 'asc',
} as const;
const byDoneTime = {
  order: { by: 'a.done_at', type: 'timestamptz', id: 'a.id', idType: 'uuid' },
  direction: 'desc',
} as const;

const columns = `a.id, a.type, a.description, ${mentionsOf('a.description')}, a.occurred_at, a.due_at, a.done_at, ${taskColumns},
  jsonb_build_object('id', c.id, 'name', c.name) as customer,
  (select jsonb_build_object('id', w.id, 'name', w.name) from platform.users w where w.id = a.created_by) as created_by`;
const from = 'crm.activities a join platform.customers c on c.id = a.customer_id';
const doer = 'coalesce(a.assigned_to, a.created_by)';

export type TaskFilters = {
  /** Who is to do it. */
  person?: string;
  state?: 'open' | 'done';
  customerId?: string;
  dueBefore?: string;
  dueFrom?: string;
};

/** Lists tasks: open ones and all by their due date, those without a date last; done ones the last done first. */
export function listTasks(
  on: Queryable,
  { person, state, customerId, dueBefore, dueFrom, ...paging }: TaskFilters & Paging,
): Promise<Placed<Task>[]> {
  return readList<Task>(on, { ...(state === 'done' ? byDoneTime : byDueTime), ...paging }, (parameter) => {
    const where = [`a.type = 'task'`];
    if (person !== undefined) where.push(`${doer} = ${parameter(person)}`);
    if (state) where.push(`a.done_at is ${state === 'open' ? 'null' : 'not null'}`);
    if (customerId) where.push(`a.customer_id = ${goesOn(parameter(customerId))}`);
    if (dueBefore) where.push(`a.due_at < ${parameter(dueBefore)}`);
    if (dueFrom) where.push(`a.due_at >= ${parameter(dueFrom)}`);
    return { columns, from, where };
  });
}

/** Counts end above this. */
const countedMax = 99;
const remindersMax = 20;

export type Waiting = {
  /** Open tasks that are due before the given time; at most 100. */
  due: number;
  /** The tasks whose time to remind has come, the earliest first. */
  reminders: Task[];
  /** When the next reminder comes. */
  next_reminder_at: Date | null;
};

/** What waits for a person: due tasks and reminders. */
export async function readWaiting(on: Queryable, person: string, dueBefore: string): Promise<Waiting> {
  const reminding = `a.type = 'task' and a.done_at is null and ${doer} = $1 and a.remind_at`;
  const [counts, reminders] = await Promise.all([
    on.query<{ due: number; next_reminder_at: Date | null }>(
      `select (select count(*)::integer from (
           select from crm.activities a where a.type = 'task' and a.done_at is null and ${doer} = $1 and a.due_at < $2
           limit ${countedMax + 1}) d) as due,
         (select min(a.remind_at) from crm.activities a where ${reminding} > now()) as next_reminder_at`,
      [person, dueBefore],
    ),
    on.query<Task>(
      `select ${columns} from ${from} where ${reminding} <= now() order by a.remind_at, a.id limit ${remindersMax}`,
      [person],
    ),
  ]);
  return { due: 0, next_reminder_at: null, ...counts[0], reminders };
}
