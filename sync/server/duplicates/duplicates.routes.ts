import {
  type App,
  createStaffRoute,
  cursor,
  cursorsOf,
  jsonBody,
  line,
  object,
  pageSize,
  problems,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb, Transaction } from '@aether/platform';
import {
  assignPairs,
  countPairs,
  decidePairs,
  listActs,
  listDeciders,
  listPairs,
  membersMax,
  mergePairs,
  pairSources,
  pairStates,
  readCluster,
  setApart,
  undoAct,
} from '../../duplicates/queue.ts';
import { count, json, moment, orProblem } from '../acting.ts';

const pairsMax = 100;
const named = z.object({ id: z.string(), name: z.string(), email: z.string() });
const state = z.enum(pairStates);
const PairSchema = z
  .object({
    id: z.string(),
    state,
    customer: named,
    other: named,
    score: z.number().openapi({ description: 'The probability that the two are one person; 1 if no model was asked.' }),
    reasons: z.array(z.string()).openapi({ description: 'In words, first what speaks for one person.' }),
    source: z.enum(pairSources),
    run: z.string().nullable().openapi({ description: 'The import that found it.' }),
    assigned_to: z.string().nullable(),
    assigned_name: z.string().nullable(),
    created_at: moment(),
    decided_at: moment().nullable(),
    decided_by: z.string().nullable(),
    decided_name: z.string().nullable(),
    merge: z.string().nullable(),
    rules: z.string().nullable(),
  })
  .openapi('DuplicatePair');
const MemberSchema = z
  .object({
    id: z.string(),
    version: z.int(),
    name: z.string(),
    email: z.string(),
    has_address: z.boolean(),
    phone: z.string().nullable(),
    company: z.string().nullable(),
    account_tier: z.string().nullable(),
    account_manager: z.string().nullable(),
    preferred_language: z.string().nullable(),
    timezone: z.string().nullable(),
    crm_id: z.int().nullable(),
    support_id: z.int().nullable(),
    created_at: moment(),
    created_by_app: z.string(),
    addresses: z.array(z.object({ email: z.string(), verified: z.boolean() })),
    phones: z.array(z.string()),
    deals: z.int(),
    conversations: z.int(),
    activities: z.int(),
    timeline: z.array(z.object({ app: z.string(), what: z.string(), text: z.string(), at: moment() })),
  })
  .openapi('DuplicateMember');
const ClusterSchema = z
  .object({
    pair: PairSchema,
    pairs: z.array(PairSchema).openapi({ description: 'The undecided pairs among the members.' }),
    members: z.array(MemberSchema),
    bridges: z
      .array(z.object({ pair: z.string(), left: z.array(z.string()), right: z.array(z.string()) }))
      .openapi({ description: 'Pairs without which the cluster falls into two.' }),
    survivor: z.string().nullable().openapi({ description: 'Who goes on, unless somebody chooses another member.' }),
    isCut: z.boolean().openapi({ description: `There are more than ${membersMax} members.` }),
  })
  .openapi('DuplicateCluster');
const ActSchema = z
  .object({
    act: z.string(),
    decided_at: moment(),
    became: state,
    pairs: z.array(z.object({ id: z.string(), customer: named, other: named, was: state.nullable() })),
  })
  .openapi('DuplicateAct');
const DecidedSchema = z
  .object({ act: z.string().nullable().openapi({ description: 'By which it is undone; null: nothing has changed.' }) })
  .openapi('DuplicatesDecided');

const person = () => line({ charactersMax: 200 });
const seen = () =>
  z
    .array(object({ id: uuid(), state: z.enum(['open', 'unsure', 'different']) }))
    .max(pairsMax)
    .openapi({
      description: 'The pairs and the states in which the person has seen them: another state refuses the decision.',
    });
const actId = () => z.string().regex(/^[1-9][0-9]{0,17}$/, 'must be the number of an act');
const key = object({ id: uuid() });

const filters = {
  assigned: person().optional().openapi({ description: 'The id of a user, or `nobody`.' }),
  source: z.enum(pairSources).optional(),
  score: z.coerce.number().min(0).max(1).optional().openapi({ type: 'number', description: 'The smallest score.' }),
};
const list = createStaffRoute({
  method: 'get',
  path: '/api/duplicates',
  right: 'steward',
  summary: 'Pairs of customers that may be one person, the likeliest first',
  request: {
    query: object({
      state: state.default('open'),
      ...filters,
      cursor: cursor().optional(),
      limit: pageSize({ max: 100, default: 50 }),
    }),
  },
  responses: {
    200: json(
      'One page, and how many pairs of each state there are.',
      z.object({
        pairs: z.array(PairSchema),
        people: z
          .array(z.object({ id: z.string(), name: z.string() }))
          .openapi({ description: 'To whom pairs can be given.' }),
        counts: z.object({ open: count(), unsure: count(), merged: count(), different: count() }),
        next_cursor: z.string().nullable(),
      }),
    ),
    ...problems(400, 422),
  },
});
const read = createStaffRoute({
  method: 'get',
  path: '/api/duplicates/{id}',
  right: 'steward',
  summary: 'A pair with all customers to which undecided pairs connect it, beside each other',
  request: { params: key },
  responses: { 200: json('The cluster.', ClusterSchema), ...problems(404, 422) },
});
const decide = createStaffRoute({
  method: 'post',
  path: '/api/duplicates/decisions',
  right: 'steward',
  summary: 'Decide that pairs are different people, or that nobody is sure',
  description: 'All pairs or none. What is different is never proposed again, by no import and no change.',
  request: {
    body: jsonBody(
      object({ pairs: seen().min(1), decision: z.enum(['different', 'unsure']) }).openapi('DuplicateDecision'),
    ),
  },
  responses: { 200: json('Decided.', DecidedSchema), ...problems(400, 404, 409, 422, 503) },
});
const merge = createStaffRoute({
  method: 'post',
  path: '/api/duplicates/merges',
  right: 'steward',
  summary: 'Merge customers of the queue, with the choices that the preview shows by itself',
  request: {
    body: jsonBody(
      object({
        survivor: uuid(),
        losers: z
          .array(uuid())
          .min(1)
          .max(membersMax - 1),
        pairs: seen(),
        expected_versions: z.record(z.uuid(), z.int().positive()).optional(),
      }).openapi('DuplicateMerge'),
    ),
  },
  responses: {
    201: json('Merged.', z.object({ act: z.string(), survivor: z.string(), merges: z.array(z.string()) })),
    ...problems(400, 404, 409, 410, 422, 503),
  },
});
const apart = createStaffRoute({
  method: 'post',
  path: '/api/duplicates/splits',
  right: 'steward',
  summary: 'Split a cluster: nobody on the left is anybody on the right',
  description: 'To leave one out, name that one on the left and the rest on the right.',
  request: {
    body: jsonBody(
      object({
        left: z.array(uuid()).min(1).max(membersMax),
        right: z.array(uuid()).min(1).max(membersMax),
      }).openapi('DuplicateSplit'),
    ),
  },
  responses: { 200: json('Split.', DecidedSchema), ...problems(400, 404, 409, 422, 503) },
});
const assign = createStaffRoute({
  method: 'post',
  path: '/api/duplicates/assignments',
  right: 'steward',
  summary: 'Give undecided pairs to a data steward, or to nobody',
  request: {
    body: jsonBody(
      object({ pairs: z.array(uuid()).min(1).max(pairsMax), to: person().nullable() }).openapi('DuplicateAssignment'),
    ),
  },
  responses: { 200: json('Given.', z.object({ pairs: z.int() })), ...problems(400, 422) },
});
const acts = createStaffRoute({
  method: 'get',
  path: '/api/duplicates/decisions',
  right: 'steward',
  summary: 'What you have decided last and can undo, the newest first',
  responses: { 200: json('The acts.', z.object({ acts: z.array(ActSchema) })) },
});
const undo = createStaffRoute({
  method: 'post',
  path: '/api/duplicates/decisions/{act}/undo',
  right: 'steward',
  summary: 'Take a decision back: a merge is taken apart, and the pairs are as they were',
  request: { params: object({ act: actId() }) },
  responses: {
    200: json('Undone.', z.object({ pairs: z.array(z.string()) })),
    ...problems(404, 409, 410, 422, 503),
  },
});

/** The queue of duplicates: its list, a cluster beside each other, decisions, and their undo. */
export function addDuplicateRoutes(app: App, db: PlatformDb): void {
  const cursors = cursorsOf(db);
  const act = <T>(actor: string | undefined, work: (tx: Transaction) => Promise<T>) =>
    orProblem(() => db.transaction({ actor }, work));

  app.openapi(list, async (c) => {
    const { cursor, limit, ...filter } = c.req.valid('query');
    const [{ page, next_cursor }, counts, people] = await Promise.all([
      cursors.page(`duplicates ${filter.state}`, { cursor, limit }, (paging) => listPairs(db, filter, paging)),
      countPairs(db, filter),
      listDeciders(db),
    ]);
    return c.json({ pairs: page, counts, people, next_cursor } as never, 200);
  });
  // Before the path with an id, of which `decisions` is none.
  app.openapi(acts, async (c) => c.json({ acts: await listActs(db, c.get('actor')?.id as string) } as never, 200));
  app.openapi(read, async (c) => {
    const { id } = c.req.valid('param');
    return c.json((await act(c.get('actor')?.id, (tx) => readCluster(tx, id))) as never, 200);
  });
  app.openapi(decide, async (c) => {
    const { pairs, decision } = c.req.valid('json');
    return c.json({ act: await act(c.get('actor')?.id, (tx) => decidePairs(tx, pairs, decision)) }, 200);
  });
  app.openapi(merge, async (c) => {
    const { expected_versions: expectedVersions = {}, ...wish } = c.req.valid('json');
    const done = await act(c.get('actor')?.id, (tx) => mergePairs(db, tx, { ...wish, expectedVersions }));
    const { survivor, merges } = done.merged;
    return c.json({ act: done.act, survivor, merges: merges.map(({ merge }) => merge) }, 201);
  });
  app.openapi(apart, async (c) => {
    const { left, right } = c.req.valid('json');
    return c.json({ act: await act(c.get('actor')?.id, (tx) => setApart(tx, left, right)) }, 200);
  });
  app.openapi(assign, async (c) => {
    const { pairs, to } = c.req.valid('json');
    return c.json({ pairs: await act(c.get('actor')?.id, (tx) => assignPairs(tx, pairs, to)) }, 200);
  });
  app.openapi(undo, async (c) => {
    const { act: id } = c.req.valid('param');
    return c.json(await act(c.get('actor')?.id, (tx) => undoAct(db, tx, id)), 200);
  });
}
