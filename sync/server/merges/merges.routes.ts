import { type App, createStaffRoute, jsonBody, object, problems, uuid, z } from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { listMerges, readFieldNames, readMerge } from '../../merges/ledger.ts';
import { json, moment, reason } from '../acting.ts';

const losersMax = 50;
const side = z.enum(['survivor', 'loser']);
const choice = z.union([side, z.uuid()]);
const fields = () =>
  z.record(z.string().min(1).max(80), choice).optional().openapi({
    description:
      'Choices over the rules: for a field `survivor`, `loser`, or of several losers the id of one. A field is `name`, `email`, `phone`, `company_id`, `account_tier`, `account_manager_id`, `preferred_language`, `timezone`, `crm_id`, `support_id`, or `custom.<key>`.',
  });
const parties = { survivor: uuid(), losers: z.array(uuid()).min(1).max(losersMax) };
const named = z.object({ id: z.string(), name: z.string().nullable() });
const head = {
  id: z.string(),
  survivor: named,
  loser: named,
  actor: z.string().nullable(),
  actor_name: z.string().nullable(),
  reason: z.string().nullable(),
  merged_at: moment(),
  undone_at: moment().nullable(),
  undone_by: z.string().nullable(),
  undone_by_name: z.string().nullable(),
};
const MergeHeadSchema = z.object(head).openapi('MergeHead');
const counts = z.record(z.string(), z.int()).openapi({ description: 'Rows by table.' });
const chosen = { chosen: side, by: z.enum(['rule', 'choice']), why: z.string() };
const names = z
  .record(z.string(), z.string())
  .openapi({ description: 'The names of the companies and people that the fields hold as ids.' });
const party = z.object({ id: z.string(), name: z.string(), email: z.string(), version: z.int() }).nullable();
const sourced = z
  .object({ value: z.any(), source: z.string(), at: z.string() })
  .nullable()
  .openapi({ description: 'The value, the app that wrote it last, and when.' });
const refused = z
  .object({ code: z.string(), message: z.string() })
  .nullable()
  .openapi({ description: 'Why it would be refused.' });

const MergePreviewSchema = z
  .object({
    survivor: party,
    loser: party,
    fields: z.array(z.object({ field: z.string(), survivor: sourced, loser: sourced, ...chosen })),
    moves: z.array(z.object({ table: z.string(), column: z.string(), rows: z.int() })),
    cannot: z.array(z.object({ table: z.string(), rows: z.int(), why: z.string() })),
    refused,
  })
  .openapi('MergePreview');
const MergedSchema = z
  .object({
    survivor: z.string(),
    version: z.int(),
    merges: z.array(
      z.object({
        merge: z.string().openapi({ description: 'The id of the merge, by which it is undone.' }),
        loser: z.string(),
        fields: z.array(z.object({ field: z.string(), survivor: z.any(), loser: z.any(), ...chosen })),
        moved: counts,
        suppressed: counts,
      }),
    ),
  })
  .openapi('Merged');
const row = { table: z.string(), key: z.string(), why: z.string() };
const report = {
  merge: z.string(),
  fieldsBack: z.array(z.string()).openapi({ description: 'Fields that get the value back that the survivor had.' }),
  fieldsKept: z
    .array(z.object({ field: z.string(), written: z.any(), present: z.any() }))
    .openapi({ description: 'Fields that were edited since, and stay.' }),
  home: counts,
  kept: z.array(z.object(row)).openapi({ description: 'Rows that do not go home, and why.' }),
  ambiguous: z.array(
    z.object({ ...row, default: z.enum(['home', 'stay']), decided: z.enum(['home', 'stay']).optional() }),
  ),
};
const UnmergePreviewSchema = z
  .object({ ...report, survivor: z.string().nullable(), loser: z.string().nullable(), refused, names })
  .openapi('UnmergePreview');
const UnmergedSchema = z
  .object({ ...report, survivor: z.string(), loser: z.string(), version: z.int(), loserVersion: z.int() })
  .openapi('Unmerged');
const MergeSchema = z
  .object({
    ...head,
    app: z.string(),
    evidence: z.record(z.string(), z.any()),
    fields: z.array(z.object({ field: z.string(), survivor: z.any(), loser: z.any(), ...chosen })),
    moved: counts,
    suppressed: counts.openapi({ description: 'Rows that a key kept from moving; the ledger keeps them.' }),
    undo_report: z.record(z.string(), z.any()).nullable(),
    names,
  })
  .openapi('Merge');

const key = object({ id: uuid() });

const list = createStaffRoute({
  method: 'get',
  path: '/api/merges',
  right: 'steward',
  summary: 'The latest hundred merges, the newest first',
  responses: { 200: json('The merges.', z.object({ merges: z.array(MergeHeadSchema) })) },
});
const ofCustomer = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/merges',
  right: 'person',
  summary: 'The merges in which a customer took part, or one that was merged into it',
  request: { params: key },
  responses: { 200: json('The merges.', z.object({ merges: z.array(MergeHeadSchema) })), ...problems(422) },
});
const preview = createStaffRoute({
  method: 'post',
  path: '/api/merges/preview',
  right: 'steward',
  summary: 'What a merge would do; it changes nothing',
  description:
    'One preview for each loser: every field with both values, their sources and times, the rule or the choice that decides, what moves, and what cannot.',
  request: { body: jsonBody(object({ ...parties, fields: fields() }).openapi('MergeQuestion')) },
  responses: {
    200: json('The previews.', z.object({ previews: z.array(MergePreviewSchema), names })),
    ...problems(400, 404, 422),
  },
});
const merge = createStaffRoute({
  method: 'post',
  path: '/api/merges',
  right: 'steward',
  summary: 'Merge customers into the survivor',
  description:
    'One transaction over all apps. The ids, numbers and addresses of the losers lead to the survivor from then on, and each merge can be undone. `expected_versions` refuses it if one of them has changed since the preview.',
  request: {
    body: jsonBody(
      object({
        ...parties,
        fields: fields(),
        reason: reason().optional(),
        expected_versions: z.record(z.uuid(), z.int().positive()).optional(),
      }).openapi('MergeRequest'),
    ),
  },
  responses: { 201: json('Merged.', MergedSchema), ...problems(400, 404, 409, 410, 422, 503) },
});
const get = createStaffRoute({
  method: 'get',
  path: '/api/merges/{id}',
  right: 'steward',
  summary: 'What a merge did, and what its undo did',
  request: { params: key },
  responses: { 200: json('The merge.', MergeSchema), ...problems(404, 422) },
});
const previewUndo = createStaffRoute({
  method: 'get',
  path: '/api/merges/{id}/undo/preview',
  right: 'steward',
  summary: 'What taking a merge back would do; it changes nothing',
  request: { params: key },
  responses: { 200: json('The preview.', UnmergePreviewSchema), ...problems(404, 409, 422) },
});
const undo = createStaffRoute({
  method: 'post',
  path: '/api/merges/{id}/undo',
  right: 'steward',
  summary: 'Take a merge back, in any order and after whatever has happened since',
  request: {
    params: key,
    body: jsonBody(
      object({
        choices: z
          .record(z.string().min(1).max(500), z.enum(['home', 'stay']))
          .optional()
          .openapi({ description: 'For rows that the preview calls ambiguous: `<table>:<key>`.' }),
      }).openapi('UnmergeRequest'),
    ),
  },
  responses: {
    200: json('What went back, and what stayed.', UnmergedSchema),
    ...problems(400, 404, 409, 410, 422, 503),
  },
});

const sidesOf = ({ field, survivor, loser }: { field: string; survivor: unknown; loser: unknown }) => ({
  field,
  values: [survivor, loser],
});
const momentsOf = ({ field, written, present }: { field: string; written: unknown; present: unknown }) => ({
  field,
  values: [written, present],
});

/** Merges of customers: previews, the merge itself, its record, and its undo. */
export function addMergeRoutes(app: App, db: PlatformDb) {
  return app
    .openapi(list, async (c) => c.json({ merges: (await listMerges(db)) as never[] }, 200))
    .openapi(ofCustomer, async (c) =>
      c.json({ merges: (await listMerges(db, c.req.valid('param').id)) as never[] }, 200),
    )
    .openapi(preview, async (c) => {
      const { survivor, losers, fields = {} } = c.req.valid('json');
      const previews = await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        db.previewMerge(survivor, losers, { fields, tx }),
      );
      const names = await readFieldNames(
        db,
        previews.flatMap((each) => each.fields.map(sidesOf)),
      );
      return c.json({ previews, names } as never, 200);
    })
    .openapi(merge, async (c) => {
      const { survivor, losers, fields = {}, reason, expected_versions: expectedVersions = {} } = c.req.valid('json');
      const merged = await db.mergeCustomers(survivor, losers, {
        fields,
        expectedVersions,
        ...(reason !== undefined && { reason }),
        actor: c.get('actor')?.id,
      });
      return c.json(merged as never, 201);
    })
    .openapi(get, async (c) => {
      const found = await readMerge(db, c.req.valid('param').id);
      const kept = found.undo_report?.fieldsKept ?? [];
      const names = await readFieldNames(db, [...found.fields.map(sidesOf), ...kept.map(momentsOf)]);
      return c.json({ ...found, names } as never, 200);
    })
    .openapi(previewUndo, async (c) => {
      const previewed = await db.previewUnmerge(c.req.valid('param').id, { actor: c.get('actor')?.id });
      const names = await readFieldNames(db, previewed.fieldsKept.map(momentsOf));
      return c.json({ ...previewed, names } as never, 200);
    })
    .openapi(undo, async (c) => {
      const { choices = {} } = c.req.valid('json');
      const undone = await db.unmergeCustomers(c.req.valid('param').id, { choices, actor: c.get('actor')?.id });
      return c.json(undone as never, 200);
    });
}
