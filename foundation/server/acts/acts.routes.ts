import {
  type App,
  allows,
  answerCsv,
  bigintId,
  type Caller,
  clientId,
  createStaffRoute,
  csvResponse,
  jsonBody,
  object,
  Problem,
  problems,
  refuseScope,
  text,
  time,
  uuid,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { customersFile } from '../customers/customers.csv.ts';
import { customerFilters, readFilters } from '../customers/customers.routes.ts';
import { accountTier } from '../tiers/tiers.routes.ts';
import { type Act, actedMax, actOnCustomers, type Chosen, undoAct } from './acts.ts';

const chosenMax = 500;

const ChosenSchema = {
  chosen: z
    .record(uuid(), z.int().positive())
    .refine((versions) => Object.keys(versions).length <= chosenMax, {
      error: `must be at most ${chosenMax} customers`,
    })
    .optional()
    .openapi({
      description:
        'Ids of customers, each with its version as the caller saw it. One that has changed since keeps its manager, its tier and its company.',
      example: { '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b': 3 },
    }),
  matching: object({
    ...customerFilters,
    except: z.array(uuid()).max(chosenMax).optional().openapi({ description: 'Those that match, but for these.' }),
  })
    .optional()
    .openapi({
      description: `Instead of \`chosen\`: all that the filters let through, at most ${actedMax}. A machine needs \`customers.read\` for it.`,
    }),
};
const isOneOf = ({ chosen, matching }: { chosen?: unknown; matching?: unknown }) =>
  (chosen === undefined) !== (matching === undefined);
const oneOf = { error: 'must be given, or `matching`, and not both', path: ['chosen'] };

const actId = () =>
  uuid().optional().openapi({
    description:
      'A new UUID of the caller, by which a person undoes the act also if no answer came: the server may have done a part of it.',
  });
const account_manager_id = z.string().min(1).max(255).nullable();
const ChangeSchema = z
  .union(
    [
      object({ account_manager_id }),
      object({ account_tier: accountTier().nullable() }),
      object({ company_id: uuid().nullable() }),
      object({ add_tag_id: bigintId() }),
      object({ remove_tag_id: bigintId() }),
    ],
    { error: 'must have one of account_manager_id, account_tier, company_id, add_tag_id and remove_tag_id' },
  )
  .openapi('CustomersChange');

const OutcomeSchema = z
  .object({
    id: z.string().nullable().openapi({
      format: 'uuid',
      description: 'By which the same person undoes it, for a day. Null if no customer was changed.',
    }),
    changed: z.int(),
    unchanged: z.int().openapi({ description: 'They had it already.' }),
    refused_count: z.int(),
    refused: z
      .array(
        z.object({
          customer: z.object({ id: z.string(), name: z.string().nullable() }),
          code: z.string().openapi({ example: 'customer-version-conflict' }),
          detail: z.string().openapi({ example: 'Maya Okafor has changed it since.' }),
        }),
      )
      .openapi({ description: 'At most a hundred of them.' }),
  })
  .openapi('ActOutcome');
const outcome = {
  description: 'What was changed, and what was not and why.',
  content: { 'application/json': { schema: OutcomeSchema } },
};

const change = createStaffRoute({
  method: 'post',
  path: '/api/customers/acts',
  operationId: 'changeCustomers',
  right: 'customers.write',
  summary: 'Give many customers an account manager, a tier, a company or a tag, or take one away',
  description:
    'Each customer is changed as by itself, with its events. Many are changed in several transactions: the answer says which were changed. A customer that cannot be changed is left as it is, and the others are changed.',
  request: {
    body: jsonBody(
      object({ ...ChosenSchema, change: ChangeSchema, id: actId() })
        .refine(isOneOf, oneOf)
        .openapi('CustomersAct'),
    ),
  },
  responses: { 200: outcome, ...problems(400, 422) },
});

const addTasks = createStaffRoute({
  method: 'post',
  path: '/api/customers/acts/tasks',
  operationId: 'addTasksToCustomers',
  right: 'activities.write',
  needs: { refused: 'customers.read' },
  summary: 'Add a task to each of many customers',
  request: {
    body: jsonBody(
      object({
        ...ChosenSchema,
        task: object({
          description: text({ charactersMax: 4_000 }),
          due_at: time().optional(),
          assigned_to: z.string().min(1).max(255).optional().openapi({ description: 'Id of a user.' }),
        }),
        id: actId(),
        client_id: clientId().openapi({ description: 'A retry with the same client_id adds no second task.' }),
      })
        .refine(isOneOf, oneOf)
        .openapi('CustomersTask'),
    ),
  },
  responses: { 200: outcome, ...problems(400, 422) },
});

const undo = createStaffRoute({
  method: 'post',
  path: '/api/customers/acts/{id}/undo',
  operationId: 'undoCustomersAct',
  right: 'person',
  summary: 'Take back what the caller has just done to many customers',
  description: 'What somebody has changed since stays as they left it, and the answer names it.',
  request: { params: object({ id: uuid() }), body: jsonBody(object({}).openapi('UndoAct')) },
  responses: { 200: outcome, ...problems(404, 422) },
});

const file = createStaffRoute({
  method: 'post',
  path: '/api/customers/file',
  operationId: 'exportCustomers',
  right: 'customers.read',
  readers: 'changes nothing',
  summary: 'The chosen customers as a file',
  description: 'The same columns as `/api/customers.csv`. By POST, because an address cannot name so many.',
  request: { body: jsonBody(object(ChosenSchema).refine(isOneOf, oneOf).openapi('CustomersFile')) },
  responses: { 200: csvResponse, ...problems(400, 422) },
});

export function addActRoutes(app: App, db: PlatformDb) {
  /** @throws Problem 403: whom a search finds is told to those who may read. */
  const toChosen = async ({ chosen, matching }: ChosenBody, caller: Caller | undefined): Promise<Chosen> => {
    if (matching && !(caller && allows(caller, 'customers.read'))) throw refuseScope('customers.read');
    return matching ? { filters: await readFilters(db, matching, caller) } : { versions: chosen ?? {} };
  };

  return app
    .openapi(change, async (c) => {
      const { change, id, ...body } = c.req.valid('json');
      return c.json(
        await actOnCustomers(db, toAct(change), await toChosen(body, c.get('caller')), c.get('actor')?.id, id),
        200,
      );
    })
    .openapi(addTasks, async (c) => {
      const { task, client_id, id, ...body } = c.req.valid('json');
      const act = { kind: 'task', task, clientId: client_id } as const;
      return c.json(await actOnCustomers(db, act, await toChosen(body, c.get('caller')), c.get('actor')?.id, id), 200);
    })
    .openapi(undo, async (c) => {
      const actor = c.get('actor');
      if (!actor) throw new Problem({ status: 403, code: 'person-only', detail: 'Only a person undoes an act.' });
      return c.json(await undoAct(db, c.req.valid('param').id, actor.id), 200);
    })
    .openapi(file, async (c) => {
      const { chosen, matching } = c.req.valid('json');
      const filters = matching ? await readFilters(db, matching, c.get('caller')) : { ids: Object.keys(chosen ?? {}) };
      return answerCsv(c, await customersFile(db, filters));
    });
}

type ChosenBody = z.infer<ReturnType<typeof object<typeof ChosenSchema>>>;

function toAct(change: z.infer<typeof ChangeSchema>): Act {
  if ('account_manager_id' in change) return { kind: 'owner', given: change.account_manager_id };
  if ('account_tier' in change) return { kind: 'tier', given: change.account_tier };
  if ('company_id' in change) return { kind: 'company', given: change.company_id };
  if ('add_tag_id' in change) return { kind: 'tag', given: change.add_tag_id };
  return { kind: 'untag', given: change.remove_tag_id };
}
