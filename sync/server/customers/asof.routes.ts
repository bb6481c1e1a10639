import { type App, createStaffRoute, line, object, problems, time, uuid, z } from '@aether/http';
import { canonicaliseEmail, foldDigits, isUuid, NotFound, type PlatformDb } from '@aether/platform';
import { readCustomerFile } from '../../asof/customerfile.ts';
import { findCustomers, readNames, showMoment } from '../../asof/moments.ts';
import { rewind } from '../../asof/replay.ts';

const moment = () => z.string().nullable();
const row = z.record(z.string(), z.unknown());
const names = z.record(z.string(), z.string());

const search = createStaffRoute({
  method: 'get',
  path: '/api/customers',
  right: 'person',
  summary: 'Find a customer by an id, an address, a number, or the beginning of a name',
  request: { query: object({ search: line({ charactersMax: 254 }) }) },
  responses: {
    200: {
      description: 'Twenty at most. An erased customer is not found.',
      content: {
        'application/json': {
          schema: z.object({
            customers: z.array(
              z.object({
                id: z.uuid(),
                name: z.string(),
                email: z.string(),
                crm_id: z.int().nullable(),
                support_id: z.int().nullable(),
                merged_into: z.uuid().nullable(),
              }),
            ),
          }),
        },
      },
    },
    ...problems(400, 422),
  },
});

const asOf = createStaffRoute({
  method: 'get',
  path: '/api/customers/{id}/as-of',
  right: 'person',
  summary: 'A customer as of a past moment, and what changed since',
  description:
    'From the rows as they are now and the events about them, backwards; from before the log, from the history of Foundation. A merged id means the customer that it meant at that moment. Deals, custom values and conversations, and changes of them, are shown to administrators only. No message, note or summary is in it.',
  request: {
    params: object({ id: uuid() }),
    query: object({
      at: time().optional().openapi({ description: 'By default now.' }),
      position: z.coerce
        .number()
        .int()
        .positive()
        .optional()
        .openapi({ description: 'As of the event with this position, in the place of a time.' }),
    }),
  },
  responses: {
    200: {
      description: 'The moment.',
      content: {
        'application/json': {
          schema: z
            .object({
              state: z.enum(['there', 'not yet', 'erased', 'unknown']),
              subjectId: z.string(),
              mergedInto: z.string().nullable(),
              at: z.string(),
              knowledge: z
                .enum(['whole', 'partly', 'nothing'])
                .openapi({ description: 'partly: only the fields that the history keeps are known of that time.' }),
              wholeSince: moment(),
              partlySince: moment(),
              version: z.int().nullable(),
              customer: row.nullable(),
              addresses: z.array(row),
              phones: z.array(row),
              deals: z.array(row),
              values: z.array(row),
              sessions: z.array(row),
              since: z.array(
                z.object({
                  eventId: z.int(),
                  position: z.int().nullable(),
                  at: z.string(),
                  type: z.string(),
                  audience: z.string(),
                  app: z.string(),
                  actor: z.string().nullable(),
                  trace: z.string().nullable(),
                  version: z.int().nullable(),
                  fields: z.array(z.object({ name: z.string(), old: z.unknown(), new: z.unknown() })),
                }),
              ),
              hidden: z.object({ changes: z.int(), data: z.boolean() }),
              names: z.object({ companies: names, users: names, stages: names }),
            })
            .openapi('CustomerAsOf'),
        },
      },
    },
    ...problems(400, 404, 422),
  },
});

/** A customer as of any past moment. */
export function addAsOfRoutes(app: App, db: PlatformDb): void {
  app.openapi(search, async (c) => {
    const asked = c.req.valid('query').search;
    const email = asked.includes('@') ? canonicaliseEmail(asked) : undefined;
    const customers = await findCustomers(db, {
      ...(isUuid(asked) && { id: asked }),
      ...(email?.ok && { emailKey: email.key }),
      ...(/^\d{1,19}$/.test(asked) && { number: asked }),
      ...phoneOf(asked),
      ...(!email && !isUuid(asked) && { name: asked }),
    });
    return c.json({ customers } as never, 200);
  });

  app.openapi(asOf, async (c) => {
    const { id } = c.req.valid('param');
    const { at, position } = c.req.valid('query');
    const file = await readCustomerFile(db, id);
    if (!file.asked) throw new NotFound('customer');
    const moment = rewind(file, position !== undefined ? { position } : { at: at ?? file.now });
    const shown = showMoment(moment, c.get('actor')?.role === 'admin');
    return c.json({ ...shown, names: await readNames(db, shown) } as never, 200);
  });
}

/** A number as it is stored, or its end as people write it within their country. */
function phoneOf(written: string): { phoneKey?: string; phoneEnd?: string } {
  const folded = foldDigits(written);
  if (!/^[+(]?[\d\s()/.-]{6,}$/.test(folded)) return {};
  const digits = folded.replace('(0)', '').replace(/\D/g, '');
  return folded.startsWith('+') ? { phoneKey: `+${digits}` } : { phoneEnd: digits.replace(/^0+/, '') };
}
