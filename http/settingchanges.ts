import {
  collectValues,
  keyset,
  type ListPlace,
  type Order,
  type Parameter,
  type Placed,
  type PlatformDb,
  type Queryable,
} from '@aether/platform';
import { answerCsv, type CsvColumns, csvResponse, pagesOf } from './csv.ts';
import { cursor, cursorsOf } from './cursors.ts';
import { findDifferences } from './differences.ts';
import { date, line, object, pageSize } from './input/fields.ts';
import { z } from './input/zod.ts';
import { problems } from './problem.ts';
import type { App } from './serving/app.ts';
import { timeZone } from './spans.ts';
import { createStaffRoute } from './staff.ts';

/*
 * Who changed what in the settings of an app: the same routes in each app, over the rows that the database shows to its login
 * (database/migrations/0071_setting_changes.sql). What one transaction did is one act.
 */

/** An act shows at most so many changes; the file has all. */
const shownMax = 30;

const value = () => z.union([z.string(), z.number(), z.boolean(), z.null()]).optional();
const FieldSchema = z
  .object({
    field: z.string().openapi({ example: 'settings.texts.greeting' }),
    before: value().openapi({ description: 'Absent: it had no value. Long texts are cut.' }),
    after: value(),
    is_hidden: z.boolean().openapi({ description: 'It may hold a secret: that it changed is known, and no value.' }),
  })
  .openapi('ChangedField');

const ChangeSchema = z
  .object({
    kind: z.string().openapi({ example: 'widget' }),
    key: z.string().openapi({ description: 'The key of the setting, as text.' }),
    name: z.string().nullable().openapi({ description: 'What it was called then.' }),
    part: z.string().nullable().openapi({ description: 'The part of it that changed.', example: 'stage' }),
    part_name: z.string().nullable(),
    change: z.enum(['created', 'changed', 'removed']),
    fields: z.array(FieldSchema),
  })
  .openapi('SettingChange');

const ActSchema = z
  .object({
    id: z.string().openapi({ format: 'uuid' }),
    at: z.string().openapi({ format: 'date-time' }),
    actor: z.string().nullable().openapi({ description: 'As the app said: the id of a user, or `command:…`.' }),
    actor_name: z.string().nullable().openapi({ description: 'The name of that user now.' }),
    app: z.string().openapi({ description: 'The app whose login it was; operator: none of them.' }),
    login: z.string(),
    trace: z.string().nullable(),
    count: z.int().openapi({ description: `Of all its changes that the filters let through; ${shownMax} are shown.` }),
    changes: z.array(ChangeSchema),
  })
  .openapi('SettingAct');

const filterFields = {
  person: line({ charactersMax: 255 }).optional().openapi({ description: 'The id of a user: what they did.' }),
  kind: z
    .string()
    .regex(/^[a-z_]{1,40}$/, { error: 'must be a kind of setting, such as widget' })
    .optional(),
  key: line({ charactersMax: 255 }).optional().openapi({ description: 'With `kind`: the changes of one setting.' }),
  from: date().optional().openapi({ description: 'The first day.' }),
  to: date().optional().openapi({ description: 'The last day, which belongs to it.' }),
  zone: timeZone().default('UTC').openapi({ description: 'The time zone whose days they are.' }),
};
type Filters = {
  person?: string | undefined;
  kind?: string | undefined;
  key?: string | undefined;
  from?: string | undefined;
  to?: string | undefined;
  zone: string;
};

const list = createStaffRoute({
  method: 'get',
  path: '/api/setting-changes',
  operationId: 'listSettingChanges',
  right: 'administrator',
  summary: 'Who changed what in the settings of this app, the latest act first',
  description: 'What one transaction did is one act. Changes by plain SQL are there too, with the login.',
  request: {
    query: object({ ...filterFields, cursor: cursor().optional(), limit: pageSize({ max: 100, default: 50 }) }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': { schema: z.object({ acts: z.array(ActSchema), next_cursor: z.string().nullable() }) },
      },
    },
    ...problems(422),
  },
});

const file = createStaffRoute({
  method: 'get',
  path: '/api/setting-changes.csv',
  operationId: 'listSettingChangesAsCsv',
  right: 'administrator',
  summary: 'Who changed what in the settings of this app, as a file: a row for each field',
  request: { query: object(filterFields) },
  responses: { 200: csvResponse, ...problems(422) },
});

const people = createStaffRoute({
  method: 'get',
  path: '/api/setting-changes/people',
  operationId: 'listSettingChangers',
  right: 'administrator',
  summary: 'Who has changed something in the settings of this app',
  responses: {
    200: {
      description: 'By name.',
      content: {
        'application/json': { schema: z.object({ people: z.array(z.object({ id: z.string(), name: z.string() })) }) },
      },
    },
  },
});

type Row = Omit<z.output<typeof ChangeSchema>, 'fields'> & {
  before: Record<string, unknown>;
  after: Record<string, unknown>;
  hidden: string[];
};
type Act = Omit<z.output<typeof ActSchema>, 'at' | 'changes'> & { at: Date; changes: Row[] };

const order: Order = { by: 'c.changed_at', type: 'timestamptz', id: 'c.transaction', idType: 'xid8' };

/** Reads acts, the latest first, each with at most so many of its changes. */
async function readActs(
  on: Queryable,
  filters: Filters,
  { after, limit }: { after?: ListPlace; limit: number },
  changesMax: number,
): Promise<Placed<Act>[]> {
  const { values, parameter } = collectValues();
  const passes = conditionsOf(filters, parameter);
  const { where, orderBy, place } = keyset(order, 'desc', after, parameter);
  return on.query<Placed<Act>>(
    `select g.*, u.name as actor_name, o.changes
     from (
       select min(c.id::text) as id, c.changed_at as at, c.transaction::text as transaction, min(c.app) as app,
         case when count(c.actor) = count(*) then min(c.actor) end as actor,
         min(c.login::text) as login, min(c.trace) as trace, count(*)::integer as count, ${place}
       from platform.setting_changes c
       where ${[...passes, where].join(' and ')}
       group by c.changed_at, c.transaction order by ${orderBy} limit ${parameter(limit)}) g
     left join platform.users u on u.id = g.actor
     cross join lateral (
       select jsonb_agg(to_jsonb(l) order by l.id) as changes from (
         select c.id, c.kind, c.key, c.name, c.part, c.part_name, c.change, c.before, c.after, c.hidden
         from platform.setting_changes c
         where c.changed_at = g.at and c.transaction = g.transaction::xid8 and ${passes.join(' and ')}
         order by c.id limit ${parameter(changesMax)}) l) o
     order by g.at desc, g.transaction::xid8 desc`,
    values,
  );
}

/** The policy of the table shows an app its own; the condition lets the index find them. */
function conditionsOf({ person, kind, key, from, to, zone }: Filters, parameter: Parameter): string[] {
  return [
    'c.home = platform.current_app()',
    ...(person !== undefined ? [`c.actor = ${parameter(person)}`] : []),
    ...(kind !== undefined ? [`c.kind = ${parameter(kind)}`] : []),
    ...(key !== undefined ? [`c.key = ${parameter(key)}`] : []),
    ...(from !== undefined ? [`c.changed_at >= ${parameter(beginOf(from, zone), 'timestamptz')}`] : []),
    ...(to !== undefined ? [`c.changed_at < ${parameter(beginOf(to, zone, 1), 'timestamptz')}`] : []),
  ];
}

const beginOf = (day: string, zone: string, laterDays = 0) =>
  Temporal.PlainDate.from(day).add({ days: laterDays }).toZonedDateTime(zone).toInstant().toString();

function toAnswer({ at, changes, ...act }: Act) {
  return {
    id: act.id,
    at: at.toISOString(),
    actor: act.actor,
    actor_name: act.actor_name,
    app: act.app,
    login: act.login,
    trace: act.trace,
    count: act.count,
    changes: changes.map(({ kind, key, name, part, part_name, change, before, after, hidden }) => ({
      kind,
      key,
      name,
      part,
      part_name,
      change,
      fields: findDifferences(before, after, hidden),
    })),
  };
}

type Line = ReturnType<typeof toAnswer> & {
  change: Row;
  field: ReturnType<typeof findDifferences>[number] | undefined;
};
const columns: CsvColumns<Line> = {
  at: ({ at }) => at,
  person: ({ actor, actor_name }) => actor_name ?? actor,
  app: ({ app }) => app,
  login: ({ login }) => login,
  trace: ({ trace }) => trace,
  kind: ({ change }) => change.kind,
  key: ({ change }) => change.key,
  name: ({ change }) => change.name,
  part: ({ change }) => change.part,
  part_name: ({ change }) => change.part_name,
  change: ({ change }) => change.change,
  field: ({ field }) => field?.field,
  before: ({ field }) => (field?.is_hidden ? '(not recorded)' : field?.before),
  after: ({ field }) => (field?.is_hidden ? '(not recorded)' : field?.after),
};

/** A file has the changes of an act up to so many. */
const filedMax = 10_000;
const filedActs = 200;

async function* linesOf(db: PlatformDb, filters: Filters): AsyncGenerator<Line[]> {
  for await (const page of pagesOf((paging) => readActs(db.reads, filters, paging, filedMax), filedActs))
    yield page.flatMap((act) =>
      act.changes.flatMap((change) => {
        const fields = findDifferences(change.before, change.after, change.hidden);
        return (fields.length > 0 ? fields : [undefined]).map((field) => ({
          ...toAnswer({ ...act, changes: [] }),
          change,
          field,
        }));
      }),
    );
}

/** Adds the changes of the app's settings, for administrators. */
export function addSettingChangeRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  return app
    .openapi(list, async (c) => {
      const { cursor, limit, ...filters } = c.req.valid('query');
      const { page, next_cursor } = await cursors.page('setting changes', { cursor, limit }, (paging) =>
        readActs(db.reads, filters, paging, shownMax),
      );
      return c.json({ acts: page.map((act) => toAnswer(act)), next_cursor }, 200);
    })
    .openapi(file, async (c) => {
      const filters = c.req.valid('query');
      return answerCsv(c, { name: 'setting-changes', columns, pages: () => linesOf(db, filters) });
    })
    .openapi(people, async (c) => {
      const found = await db.reads.query<{ id: string; name: string }>(
        `with recursive a (actor) as (
           (select min(c.actor) from platform.setting_changes c where c.home = platform.current_app())
           union all
           select (select min(c.actor) from platform.setting_changes c where c.home = platform.current_app() and c.actor > a.actor)
           from a where a.actor is not null)
         select a.actor as id, coalesce(u.name, a.actor) as name
         from a left join platform.users u on u.id = a.actor
         where a.actor is not null
         order by coalesce(u.name, a.actor) collate platform.people, 1`,
      );
      return c.json({ people: found }, 200);
    });
}
