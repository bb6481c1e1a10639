import { type App, createStaffRoute, jsonBody, type Log, object, problems, uuid, z } from '@aether/http';
import { NotFound, type PlatformDb } from '@aether/platform';
import type { Privacy } from '../../privacy/connection.ts';
import { cleanUp, eraseCustomer, previewErasure } from '../../privacy/erasing.ts';
import { listHolds, placeHold, releaseHold } from '../../privacy/holds.ts';
import { listReceipts, type Receipt } from '../../privacy/receipts.ts';
import { liftErasure } from '../../privacy/suppression.ts';
import { json, moment, reason } from '../acting.ts';
import { readNames } from '../people.ts';
import { actorOf, orPrivacyProblem, requirePrivacy } from './problems.ts';

const customerId = () => uuid().openapi({ description: 'The id of the customer, or of one that was merged into it.' });
const act = z.enum(['delete', 'scrub', 'keep']);
const named = { by: z.string(), by_name: z.string().nullable() };

const HoldSchema = z
  .object({
    id: z.string(),
    customer_id: z.string(),
    customer_name: z.string().nullable(),
    reason: z.string(),
    held_at: moment(),
    held_by: z.string(),
    held_by_name: z.string().nullable(),
    released_at: moment().nullable(),
    released_by: z.string().nullable(),
    released_by_name: z.string().nullable(),
    release_reason: z.string().nullable(),
  })
  .openapi('LegalHold');

const PreviewSchema = z
  .object({
    customer: z.string(),
    people: z.array(z.string()).openapi({ description: 'All ids that are this person.' }),
    state: z.enum(['present', 'erased']),
    tables: z.array(z.object({ table: z.string(), act, rows: z.int(), why: z.string() })),
    events: z.int(),
    addresses: z.int(),
    numbers: z.int(),
    files: z.array(z.object({ upload: z.int(), name: z.string() })),
    hold: z.object({ id: z.string(), reason: z.string(), at: moment(), ...named }).nullable(),
    asked: z
      .object({ id: z.string(), reason: z.string(), at: moment(), ...named })
      .nullable()
      .openapi({ description: 'Another person has asked for the erasure: this one confirms it.' }),
    needs_two: z.boolean(),
  })
  .openapi('ErasurePreview');

const ReceiptSchema = z
  .object({
    id: z.string(),
    customer: z.string(),
    people: z.array(z.string()),
    reason: z.string(),
    state: z.enum(['asked', 'erased', 'clean']).openapi({
      description:
        'asked: a second person has to confirm. erased: no table tells of the person. clean: no file and no index either.',
    }),
    asked_by: z.string(),
    asked_by_name: z.string().nullable(),
    asked_at: moment(),
    erased_by: z.string().nullable(),
    erased_by_name: z.string().nullable(),
    erased_at: moment().nullable(),
    clean_at: moment().nullable(),
    tables: z.array(z.object({ table: z.string(), act, rows: z.int() })),
    kept: z.array(z.object({ table: z.string(), rows: z.int(), why: z.string(), stays: z.array(z.string()) })),
    events: z.int().nullable(),
    addresses: z.int().nullable(),
    numbers: z.int().nullable(),
    files: z.int().nullable(),
    position: z.int().nullable().openapi({ description: 'Of customer.erased in the log.' }),
    subscribers: z.array(
      z.object({
        kind: z.enum(['subscription', 'consumer']),
        name: z.string(),
        told: z.boolean().openapi({ description: 'It reads customer.erased.' }),
        acknowledged: z.boolean(),
      }),
    ),
    webhooks: z.string(),
    kept_away: z
      .int()
      .openapi({ description: 'Addresses, numbers and ids of sources that still keep the person away.' }),
    lifted: z
      .array(
        z.object({ at: moment(), by: z.string(), by_name: z.string().nullable(), reason: z.string(), count: z.int() }),
      )
      .openapi({ description: 'Who has let how many of them come back.' }),
    backups_expire_on: z.string().nullable(),
  })
  .openapi('ErasureReceipt');

const preview = createStaffRoute({
  method: 'post',
  path: '/api/privacy/erasures/preview',
  right: 'privacy.read',
  people: 'steward',
  summary: 'What erasing a person would do, table by table; nothing is changed',
  request: { body: jsonBody(object({ customer: customerId() }).openapi('ErasureQuestion')) },
  responses: { 200: json('The dry run.', PreviewSchema), ...problems(404, 422, 503) },
});
const erase = createStaffRoute({
  method: 'post',
  path: '/api/privacy/erasures',
  right: 'privacy.write',
  people: 'administrator',
  summary: 'Erase a person everywhere. It cannot be taken back',
  description:
    'One transaction; files and indexes are cleaned up behind it, and the receipt says when that is done. Where two people are needed, the first call asks and another person’s call confirms.',
  request: { body: jsonBody(object({ customer: customerId(), reason: reason() }).openapi('ErasureWish')) },
  responses: {
    200: json(
      'What was done. `id` names the receipt.',
      z
        .object({
          id: z.string(),
          state: z.enum(['asked', 'erased', 'clean']),
          already_done: z.boolean().openapi({ description: 'It was in this state before.' }),
        })
        .openapi('Erasure'),
    ),
    ...problems(404, 409, 422, 503),
  },
});
const receipts = createStaffRoute({
  method: 'get',
  path: '/api/privacy/receipts',
  right: 'privacy.read',
  people: 'steward',
  summary: 'Receipts of erasures, the newest first',
  request: {
    query: object({
      customer: uuid().optional(),
      before: uuid().optional().openapi({ description: 'The id of a receipt: only older ones.' }),
    }),
  },
  responses: { 200: json('Up to a hundred.', z.object({ receipts: z.array(ReceiptSchema) })), ...problems(422, 503) },
});
const receipt = createStaffRoute({
  method: 'get',
  path: '/api/privacy/receipts/{id}',
  right: 'privacy.read',
  people: 'steward',
  summary: 'One receipt: what, when, by whom, counts, what was kept and why, and who acknowledged',
  request: { params: object({ id: uuid() }) },
  responses: { 200: json('The receipt.', ReceiptSchema), ...problems(404, 422, 503) },
});
const lift = createStaffRoute({
  method: 'post',
  path: '/api/privacy/receipts/{id}/lift',
  right: 'administrator',
  summary: 'Let a person come back: all that one erasure keeps away',
  description:
    'Every address, number and id of a source, also keys of imported lines that had neither an address nor an id. What was erased stays erased.',
  request: { params: object({ id: uuid() }), body: jsonBody(object({ reason: reason() }).openapi('ErasureLift')) },
  responses: {
    200: json('How many were kept away: 0 if all were lifted before.', z.object({ lifted: z.int() })),
    ...problems(404, 422, 503),
  },
});
const holds = createStaffRoute({
  method: 'get',
  path: '/api/privacy/holds',
  right: 'steward',
  summary: 'Legal holds, in force or released, the newest first',
  responses: { 200: json('Up to a thousand.', z.object({ holds: z.array(HoldSchema) })), ...problems(503) },
});
const hold = createStaffRoute({
  method: 'post',
  path: '/api/privacy/holds',
  right: 'steward',
  summary: 'Keep a customer from being erased, and from every rule of retention',
  request: { body: jsonBody(object({ customer: customerId(), reason: reason() }).openapi('HoldWish')) },
  responses: { 200: json('The hold.', z.object({ id: z.string() })), ...problems(404, 409, 422, 503) },
});
const release = createStaffRoute({
  method: 'post',
  path: '/api/privacy/holds/{id}/release',
  right: 'steward',
  summary: 'Release a legal hold',
  request: { params: object({ id: uuid() }), body: jsonBody(object({ reason: reason() }).openapi('HoldRelease')) },
  responses: {
    200: json('Whether it was in force.', z.object({ released: z.boolean() })),
    ...problems(404, 422, 503),
  },
});

/** Erasing: the dry run, the erasure, its receipts, and legal holds. */
export function addErasingRoutes(app: App, db: PlatformDb, privacy: Privacy | undefined, log: Log): void {
  app.openapi(preview, async (c) => {
    const found = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => previewErasure(client, c.req.valid('json').customer)),
    );
    const names = await readNames(db, [{ actor: found.hold?.heldBy ?? null }, { actor: found.asked?.by ?? null }]);
    const { hold: held, asked, needsTwo, ...rest } = found;
    return c.json(
      {
        ...rest,
        needs_two: needsTwo,
        hold: held && {
          id: held.id,
          reason: held.reason,
          at: held.heldAt,
          by: held.heldBy,
          by_name: names.get(held.heldBy) ?? null,
        },
        asked: asked && { ...asked, by_name: names.get(asked.by) ?? null },
      },
      200,
    );
  });

  app.openapi(erase, async (c) => {
    const { customer, reason: because } = c.req.valid('json');
    const logins = requirePrivacy(privacy);
    const erased = await orPrivacyProblem(() =>
      logins.with(actorOf(c), (client) => eraseCustomer(client, customer, because)),
    );
    // The receipt says when it is done. What is left when this server ends, `aether privacy clean-up` does.
    if (erased.state === 'erased')
      void logins
        .alone(actorOf(c), (client) => cleanUp(client, { waitMs: cleanUpWaitMs }))
        .catch((error) => log.warn({ err: error }, 'the clean-up of an erasure was cut off'));
    return c.json({ id: erased.erasure, state: erased.state, already_done: erased.again }, 200);
  });

  app.openapi(receipts, async (c) => {
    const found = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => listReceipts(client, definedOf(c.req.valid('query')))),
    );
    return c.json({ receipts: await withNames(db, found) }, 200);
  });

  app.openapi(receipt, async (c) => {
    const { id } = c.req.valid('param');
    const found = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), async (client) => {
        const { rows } = await client.query('select customer_id from platform.erasures where id = $1', [id]);
        return rows[0] ? listReceipts(client, { customer: rows[0].customer_id }) : [];
      }),
    );
    const [shown] = await withNames(
      db,
      found.filter((each) => each.erasure === id),
    );
    if (!shown) throw new NotFound('receipt');
    return c.json(shown, 200);
  });

  app.openapi(lift, async (c) => {
    const lifted = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) =>
        liftErasure(client, c.req.valid('param').id, c.req.valid('json').reason),
      ),
    );
    return c.json({ lifted }, 200);
  });

  app.openapi(holds, async (c) => {
    const found = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => listHolds(client, { all: true })),
    );
    const names = await readNames(
      db,
      found.flatMap((each) => [{ actor: each.held_by }, { actor: each.released_by }]),
    );
    const customers = await db.query<{ id: string; name: string }>(
      'select id, name from platform.customers where id = any ($1) and erased_at is null',
      [found.map(({ customer_id }) => customer_id)],
    );
    const nameOf = new Map(customers.map(({ id, name }) => [id, name]));
    return c.json(
      {
        holds: found.map((each) => ({
          ...each,
          customer_name: nameOf.get(each.customer_id) ?? null,
          held_at: each.held_at.toISOString(),
          held_by_name: names.get(each.held_by) ?? null,
          released_at: each.released_at?.toISOString() ?? null,
          released_by_name: names.get(each.released_by ?? '') ?? null,
        })),
      },
      200,
    );
  });

  app.openapi(hold, async (c) => {
    const { customer, reason: because } = c.req.valid('json');
    const id = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) => placeHold(client, customer, because)),
    );
    return c.json({ id }, 200);
  });

  app.openapi(release, async (c) => {
    const released = await orPrivacyProblem(() =>
      requirePrivacy(privacy).with(actorOf(c), (client) =>
        releaseHold(client, c.req.valid('param').id, c.req.valid('json').reason),
      ),
    );
    return c.json({ released }, 200);
  });
}

/** An old transaction keeps dead rows for so long at most before the clean-up is left to a later one. */
const cleanUpWaitMs = 60_000;

const definedOf = (query: { customer?: string | undefined; before?: string | undefined }) => ({
  ...(query.customer && { customer: query.customer }),
  ...(query.before && { before: query.before }),
});

async function withNames(db: PlatformDb, found: Receipt[]) {
  const names = await readNames(
    db,
    found.flatMap(({ askedBy, erasedBy, lifted }) => [
      { actor: askedBy },
      { actor: erasedBy },
      ...lifted.map(({ by }) => ({ actor: by })),
    ]),
  );
  return found.map((each) => {
    const { erasure, askedBy, askedAt, erasedBy, erasedAt, cleanAt, backupsExpireOn, keptAway, lifted, ...rest } = each;
    return {
      ...rest,
      id: erasure,
      asked_by: askedBy,
      asked_by_name: names.get(askedBy) ?? null,
      asked_at: askedAt,
      erased_by: erasedBy,
      erased_by_name: names.get(erasedBy ?? '') ?? null,
      erased_at: erasedAt,
      clean_at: cleanAt,
      kept_away: keptAway,
      lifted: lifted.map((some) => ({ ...some, by_name: names.get(some.by) ?? null })),
      backups_expire_on: backupsExpireOn,
    };
  });
}
