import {
  type App,
  answerCsv,
  createStaffRoute,
  csvResponse,
  line,
  object,
  Problem,
  pageSize,
  problems,
  time,
  uuid,
  z,
} from '@aether/http';
import { canonicaliseEmail, type PlatformDb } from '@aether/platform';
import { listConsumerEffects } from '../../operations/consumers.ts';
import { type LoggedEvent, showEvent } from '../../operations/log.ts';
import { type EventFilter, searchEvents } from '../../operations/searching.ts';
import { type Effect, findChange, findCustomer, listEffects, tracedFields } from '../../operations/trace.ts';
import { eventKey, json, moment, position } from '../acting.ts';
import { type ShownEvent, showEventTo } from '../content.ts';
import { readCustomerNames, readNames } from '../people.ts';

const EventSchema = z
  .object({
    position: z.int(),
    id: z.int(),
    type: z.string(),
    key: z.string(),
    customer: z.string().nullable(),
    row_id: z.string(),
    version: z.int().nullable(),
    audience: z.string(),
    app: z.string(),
    actor: z.string().nullable(),
    actor_name: z.string().nullable(),
    customer_name: z.string().nullable().openapi({ description: 'As it is now.' }),
    login: z.string(),
    data: z.record(z.string(), z.unknown()),
    previous: z.record(z.string(), z.unknown()),
    trace: z.string().nullable(),
    occurred_at: moment(),
    sequenced_at: moment(),
    withheld: z.object({
      columns: z.array(z.string()).openapi({ description: 'The console never shows the text of messages and notes.' }),
      audience: z.boolean().openapi({ description: 'The content is for administrators.' }),
    }),
  })
  .openapi('LoggedEvent');
const ConsumerEffectSchema = z
  .object({
    consumer: z.string(),
    state: z.enum(['handled', 'retrying', 'waiting', 'dead', 'outdated']),
    attempt: z.int(),
    lag_ms: z.number().openapi({ description: 'From the change to the commit in its database, by both clocks.' }),
    at: moment(),
  })
  .openapi('ConsumerEffect', { description: 'What an app that reads from Service Bus made of it, as it reported.' });
const EffectSchema = z
  .object({
    subscription: z.string(),
    app: z.string(),
    effect: z.enum([
      'not-shown',
      'filtered',
      'not-reached',
      'waiting',
      'retrying',
      'dead',
      'skipped',
      'before',
      'handled',
    ]),
    position: z.int(),
    is_paused: z.boolean(),
    pause_reason: z.string().nullable(),
    is_again: z.boolean(),
    attempt_at: moment().nullable(),
    behind: z.int().nullable(),
    attempts: z.array(
      z.object({
        attempt: z.int(),
        ended_at: moment(),
        duration_ms: z.int().nullable(),
        process: z.string(),
        failed: z.boolean(),
      }),
    ),
    error_class: z.string().nullable(),
    shape: z.string().nullable(),
    skipped_by: z
      .object({ operation: z.int(), actor: z.string().nullable(), reason: z.string().nullable(), at: moment() })
      .nullable(),
  })
  .openapi('EventEffect');

/** The types of the log are those of so many of its latest events. */
const latestEvents = 5_000;
const peopleMax = 200;

const filters = {
  customer: uuid().optional(),
  address: line({ charactersMax: 254 })
    .optional()
    .openapi({ description: 'An address of a customer, in any spelling.' }),
  key: eventKey().optional(),
  type: line({ charactersMax: 80 }).optional(),
  app: line({ charactersMax: 32 }).optional(),
  actor: line({ charactersMax: 255 }).optional(),
  since: time().optional(),
  until: time().optional(),
};

const list = createStaffRoute({
  method: 'get',
  path: '/api/log',
  right: 'person',
  summary: 'Search the log, the newest event first',
  description:
    'A search looks at a stretch of the log at a time, a hundred thousand events: `searched_to` says how far it came, and `before` takes it on from there. It is null when there is nothing more.',
  request: {
    query: object({ ...filters, before: position().optional(), limit: pageSize({ max: 200, default: 50 }) }),
  },
  responses: {
    200: json(
      'One page.',
      z.object({
        events: z.array(EventSchema),
        searched_to: z.int().nullable(),
        customer: z.string().nullable().openapi({ description: 'Whom the address or the id belongs to today.' }),
      }),
    ),
    ...problems(404, 422),
  },
});
const choices = createStaffRoute({
  method: 'get',
  path: '/api/log-choices',
  right: 'person',
  summary:
    'What a search of the log may ask for: the types of the latest events and of subscriptions, the apps, and people by name',
  responses: {
    200: json(
      'The choices.',
      z.object({
        types: z.array(z.string()),
        apps: z.array(z.string()),
        people: z.array(z.object({ id: z.string(), name: z.string() })).openapi({
          description: `Those who signed in last, up to ${peopleMax}.`,
        }),
      }),
    ),
  },
});
const file = createStaffRoute({
  method: 'get',
  path: '/api/log.csv',
  right: 'person',
  summary: 'The events of a search as a file, without their content',
  request: { query: object(filters) },
  responses: { 200: csvResponse, ...problems(404, 422) },
});
const get = createStaffRoute({
  method: 'get',
  path: '/api/log/{position}',
  operationId: 'getLogEvent',
  right: 'person',
  summary: 'One event with its trace: the request, the change, and what each subscription made of it',
  request: { params: object({ position: position() }) },
  responses: {
    200: json(
      'The event.',
      z.object({ event: EventSchema, effects: z.array(EffectSchema), consumers: z.array(ConsumerEffectSchema) }),
    ),
    ...problems(404, 422),
  },
});
const why = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/why/{field}',
  right: 'person',
  summary:
    'Why a field of a customer shows what it shows: the event that set it, and what each subscription made of it',
  request: { params: object({ id: uuid(), field: z.enum(tracedFields) }) },
  responses: {
    200: json(
      'The value, and where it comes from. Without an event the change is older than the log.',
      z
        .object({
          customer: z.string(),
          value: z.unknown(),
          event: EventSchema.nullable(),
          effects: z.array(EffectSchema),
        })
        .openapi('WhyField'),
    ),
    ...problems(404, 422),
  },
});

/** The log for people: searched, and one event with its trace. content.ts decides what of an event each person sees. */
export function addEventsRoutes(app: App, db: PlatformDb) {
  type Asked = { [Name in keyof typeof filters]?: string };
  /** The names of the people and of the customers of these events. */
  async function withNames(events: LoggedEvent[], isAdministrator: boolean) {
    const [names, customers] = await Promise.all([readNames(db, events), readCustomerNames(db, events)]);
    return events.map((event) => ({
      ...showEventTo(event, { isAdministrator }),
      actor_name: (event.actor && names.get(event.actor)) ?? null,
      customer_name: (event.customer && customers.get(event.customer)) ?? null,
    }));
  }
  const isAdministrator = (c: { get(name: 'actor'): { role: string } | undefined }) => c.get('actor')?.role === 'admin';

  async function toFilter({ customer, address, type, since, until, ...rest }: Asked): Promise<EventFilter> {
    const wanted = address === undefined ? customer : await customerOf(address);
    return {
      ...rest,
      ...(wanted && { customer: wanted }),
      ...(type && { types: [type] }),
      ...(since && { since: new Date(since) }),
      ...(until && { until: new Date(until) }),
    };
  }

  /** @throws Problem when no customer has the address */
  async function customerOf(address: string): Promise<string> {
    const email = canonicaliseEmail(address);
    const customer = email.ok && (await findCustomer(db, { emailKey: email.key }));
    if (customer) return customer;
    throw new Problem({ status: 404, code: 'not-found', detail: 'No customer has this address.' });
  }

  return app
    .openapi(list, async (c) => {
      const { before, limit, ...asked } = c.req.valid('query');
      const filter = await toFilter(asked as Asked);
      const { events, searchedTo } = await searchEvents(db, filter, { direction: 'desc', after: before, limit });
      const shown = await withNames(events, isAdministrator(c));
      return c.json(
        { events: shown as never[], searched_to: searchedTo ?? null, customer: filter.customer ?? null },
        200,
      );
    })
    .openapi(choices, async (c) => {
      const [types, apps, people] = await Promise.all([
        db.query<{ type: string }>(
          `select l.type from (select type from sync.events order by position desc limit ${latestEvents}) l
           union select unnest(s.types) from sync.subscriptions s order by type`,
        ),
        db.query<{ name: string }>('select a.name from platform.apps a order by a.name'),
        db.query<{ id: string; name: string }>(
          `select u.id, u.name
           from (select id, name from platform.users order by last_signed_in desc nulls last limit ${peopleMax}) u order by u.name, u.id`,
        ),
      ]);
      const names = [...apps.map(({ name }) => name), 'sync'];
      return c.json({ types: types.map(({ type }) => type), apps: names, people }, 200);
    })
    .openapi(file, async (c) => {
      const filter = await toFilter(c.req.valid('query') as Asked);
      return answerCsv<ShownEvent>(c, {
        name: 'events',
        columns: {
          position: (row) => row.position,
          time: (row) => row.occurred_at,
          type: (row) => row.type,
          key: (row) => row.key,
          customer: (row) => row.customer,
          version: (row) => row.version,
          app: (row) => row.app,
          actor: (row) => row.actor,
          login: (row) => row.login,
          changed: (row) => Object.keys(row.previous).join(' '),
          trace: (row) => row.trace,
        },
        async *pages() {
          for (let after: number | undefined; ; ) {
            const { events, searchedTo } = await searchEvents(db, filter, { direction: 'desc', after, limit: 1_000 });
            if (events.length > 0) yield events.map((event) => showEventTo(event, { isAdministrator: false }));
            if (searchedTo === undefined) return;
            after = searchedTo;
          }
        },
      }) as never;
    })
    .openapi(get, async (c) => {
      const { position } = c.req.valid('param');
      const event = await showEvent(db, position);
      if (!event)
        throw new Problem({
          status: 404,
          code: 'not-found',
          detail: 'The log has no event of this number: it is not numbered yet, or retention has removed it.',
        });
      const [[shown], effects, consumers] = await Promise.all([
        withNames([event], isAdministrator(c)),
        listEffects(db, position),
        listConsumerEffects(db, position),
      ]);
      return c.json({ event: shown as never, effects: effects as never[], consumers: consumers as never[] }, 200);
    })
    .openapi(why, async (c) => {
      const { id, field } = c.req.valid('param');
      const customer = await findCustomer(db, { id });
      const [row] =
        customer === undefined
          ? []
          : await db.query<{ value: unknown }>(
              'select to_jsonb(c) -> $2 as value from platform.customers c where c.id = $1',
              [customer, field],
            );
      if (!customer || !row)
        throw new Problem({ status: 404, code: 'not-found', detail: 'There is no such customer.' });
      const event = await findChange(db, customer, field);
      const effects: Effect[] = event ? await listEffects(db, event.position) : [];
      const [shown] = event ? await withNames([event], isAdministrator(c)) : [];
      const found = { customer, value: row.value, event: shown ?? null, effects };
      return c.json(found as never, 200) as never;
    });
}
