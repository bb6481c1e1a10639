import { sendFiles } from '@aether/files';
import {
  type App,
  type Attempt,
  mentionsOf,
  NotFound,
  PlatformError,
  ReferenceNotFound,
  requireMentions,
  requireSameRequest,
  type Transaction,
} from '@aether/platform';
import {
  changeTask,
  type NewTask,
  newTaskValues,
  type TaskChange,
  type TaskPart,
  taskColumns,
} from '../tasks/tasks.ts';

/** An entry of a customer's timeline, of either app. */
export type Activity = {
  id: string;
  type: string;
  description: string;
  metadata: Record<string, unknown>;
  occurred_at: Date;
  due_at: Date | null;
  done_at: Date | null;
  app: App;
  created_by: { id: string; name: string } | null;
  deal_id: number | null;
  /** The people whom the description mentions, with their names now. */
  mentions: { id: string; name: string }[];
} & TaskPart;

export type NewActivity = {
  /** Whom it is about: a customer, or a company itself. */
  customer_id?: string;
  company_id?: string;
  type: string;
  description: string;
  metadata?: Record<string, unknown>;
  occurred_at?: string;
  due_at?: string;
  deal_id?: number;
  /** The name of the cause. The same cause adds only one activity. */
  idempotency_key?: string;
  /** Ids of complete uploads of the same person to this customer. `metadata.files` says then what its reader sees of them. */
  files?: string[] | undefined;
  /** Who has uploaded them; null: a machine. */
  uploaded_by?: string | null;
} & NewTask;

export type ActivityRow = Omit<Activity, 'created_by'> & { created_by: string | null; created_by_name: string | null };

export const activityColumns = `a.id, a.type, a.description, a.metadata, a.occurred_at, a.due_at, a.done_at, a.created_by_app as app, a.deal_id,
  a.created_by, u.name as created_by_name, ${mentionsOf('a.description')}, ${taskColumns}`;

/**
 * Adds an activity to the timeline as Foundation. An activity with a known cause or from a repeated attempt is not added; the call returns
 * the first one.
 *
 * @throws ClientIdReused; Problem 409 when a file is not there; InvalidField for what only a task has, and for a mention of nobody; ReferenceNotFound if
 *   this customer is no contact of the deal, nor one who was merged into it, or if nobody is who is to do a task.
 */
export async function addActivity(tx: Transaction, activity: NewActivity, attempt?: Attempt): Promise<Activity> {
  const {
    customer_id,
    company_id,
    type,
    description,
    metadata = {},
    occurred_at,
    due_at,
    deal_id,
    files,
    uploaded_by = null,
  } = activity;
  const idempotency_key = attempt?.key ?? activity.idempotency_key;
  if (deal_id !== undefined) {
    const deals = await tx.query(
      `select from crm.deals d join platform.customers c on c.id = d.customer_id
       where d.id = $1 and (d.customer_id = $2 or c.merged_into = $2
         or exists (select from crm.deal_contacts k where k.deal_id = d.id and k.customer_id = $2))`,
      [deal_id, customer_id],
    );
    if (deals.length === 0) throw new ReferenceNotFound('deal_id');
  }
  await requireMentions(tx, description, { field: 'description' });
  const task = await newTaskValues(tx, activity);
  const added = await tx.query<{ id: string }>(
    `insert into crm.activities
       (customer_id, company_id, type, description, metadata, occurred_at, due_at, deal_id, idempotency_key, request_digest,
        assigned_to, remind_at, repeats, repeat_day, time_zone)
     values ($1, $16, $2, $3, $4::jsonb || case when $15::uuid[] is null then '{}' else
         jsonb_build_object('files', platform.describe_files($15)) end, coalesce($5, now()), $6, $7, $8, $9, $10, $11, $12, $13, $14)
     on conflict (created_by_app, idempotency_key) do nothing returning id`,
    [
      customer_id,
      type,
      description,
      metadata,
      occurred_at,
      due_at,
      deal_id,
      idempotency_key,
      attempt?.digest,
      ...task,
      files ?? null,
      company_id,
    ],
  );
  if (files && added[0] && customer_id)
    await sendFiles(tx, files, { parentId: customer_id, createdBy: uploaded_by }, added[0].id);
  const [row] = await tx.query<ActivityRow & { request_digest: Buffer | null }>(
    `select ${activityColumns}, a.request_digest from crm.activities a left join platform.users u on u.id = a.created_by
     where ${added[0] ? 'a.id = $1' : `a.created_by_app = 'foundation' and a.idempotency_key = $1`}`,
    [added[0]?.id ?? idempotency_key],
  );
  const { request_digest, ...found } = row as ActivityRow & { request_digest: Buffer | null };
  if (attempt && !added[0]) requireSameRequest(request_digest, attempt);
  return toActivity(found);
}

export function toActivity({ created_by, created_by_name, ...row }: ActivityRow): Activity {
  const { id, type, description, metadata, occurred_at, due_at, done_at, app, deal_id, mentions } = row;
  const { assigned_to, remind_at, repeats, time_zone } = row;
  return {
    ...{ id, type, description, metadata, occurred_at, due_at, done_at, app, deal_id, mentions },
    ...{ assigned_to, remind_at, repeats, time_zone },
    created_by: created_by && created_by_name ? { id: created_by, name: created_by_name } : null,
  };
}

/** The types that people write. The apps write the other types, which never change. */
export const typedByPeople = ['call', 'email', 'meeting', 'note', 'task'] as const;

/** Another person wrote the activity: its author or an administrator can change it. */
export class NotYours extends PlatformError {
  constructor(detail = 'Only who wrote this, or an administrator, may change what it says. Add a note instead.') {
    super('not-yours', 403, detail);
  }
}

/**
 * Changes an activity that a person wrote in Foundation. Its author and administrators change the text; everybody changes when a task is
 * due, who does it, how it repeats, and whether it is done.
 *
 * @returns the activity; `next` is the task that came because this one repeats.
 * @throws NotFound, also for an activity that an app wrote; NotYours; InvalidField for what only a task has; ReferenceNotFound
 */
export async function updateActivity(
  tx: Transaction,
  id: string,
  { description, ...task }: { description?: string } & TaskChange,
  editor: { id?: string; isAdmin: boolean },
): Promise<Activity & { next?: { id: string; due_at: Date } }> {
  const [known] = await tx.query<{ type: string; created_by: string | null; description: string }>(
    `select type, created_by, description from crm.activities
     where id = $1 and created_by_app = 'foundation' and type = any ($2) for update`,
    [id, typedByPeople],
  );
  if (!known) throw new NotFound('activity that a person wrote');
  if (description !== undefined && !editor.isAdmin && known.created_by !== (editor.id ?? null)) throw new NotYours();
  if (description !== undefined) {
    await requireMentions(tx, description, { field: 'description', former: known.description });
    await tx.query('update crm.activities set description = $2 where id = $1', [id, description]);
  }
  const next = await changeTask(tx, { id, type: known.type }, task);
  const [row] = await tx.query<ActivityRow>(
    `select ${activityColumns} from crm.activities a left join platform.users u on u.id = a.created_by where a.id = $1`,
    [id],
  );
  return { ...toActivity(row as ActivityRow), ...(next && { next }) };
}
