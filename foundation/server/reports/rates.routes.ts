import {
  type App,
  createStaffRoute,
  cursor,
  cursorsOf,
  date,
  jsonBody,
  object,
  pageSize,
  problems,
  text,
  timeZone,
  todayIn,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { ratePattern, readRateFile } from './ratefile.ts';
import { changeReportSettings, deleteRate, keepRates, listRates, listUnpriced, readReportSettings } from './rates.ts';

const currency = () =>
  z
    .string()
    .regex(/^[A-Z]{3}$/, { error: 'must be three capital letters, such as EUR' })
    .openapi({ example: 'USD' });

const SettingsSchema = z
  .object({
    currency: z.string().openapi({ description: 'The currency in which reports say sums.', example: 'EUR' }),
    decimals: z.int(),
    version: z.int(),
    unpriced: z
      .array(z.object({ currency: z.string(), deals: z.int() }))
      .openapi({ description: 'Currencies of deals that have no rate today.' }),
  })
  .openapi('ReportSettings');

const RateSchema = z
  .object({
    base: z.string().openapi({ description: 'The reporting currency into which it leads.' }),
    currency: z.string(),
    valid_from: z.string().openapi({ format: 'date' }),
    rate: z.string().openapi({ description: 'How much of `base` one unit is worth; exact.', example: '0.9215' }),
  })
  .openapi('CurrencyRate');

const settings = createStaffRoute({
  method: 'get',
  path: '/api/report-settings',
  operationId: 'getReportSettings',
  right: 'reports.read',
  summary: 'The reporting currency, and what has no rate',
  request: { query: object({ zone: timeZone().default('UTC') }) },
  responses: {
    200: { description: 'As it is now.', content: { 'application/json': { schema: SettingsSchema } } },
    ...problems(422),
  },
});

const change = createStaffRoute({
  method: 'patch',
  path: '/api/report-settings',
  operationId: 'changeReportSettings',
  right: 'administrator',
  summary: 'Choose the reporting currency',
  description: 'The rates that lead into another one are kept, and are used again when it is chosen again.',
  request: {
    body: jsonBody(
      object({ currency: currency(), expected_version: z.int().positive().optional() }).openapi('ReportSettingsChange'),
    ),
  },
  responses: {
    200: { description: 'As it is now.', content: { 'application/json': { schema: SettingsSchema } } },
    ...problems(400, 409, 422),
  },
});

const list = createStaffRoute({
  method: 'get',
  path: '/api/currency-rates',
  right: 'reports.read',
  summary: 'The rates that lead into the reporting currency, the newest first',
  request: {
    query: object({
      currency: currency().optional(),
      cursor: cursor().optional(),
      limit: pageSize({ max: 500, default: 100 }),
    }),
  },
  responses: {
    200: {
      description: 'One page.',
      content: {
        'application/json': { schema: z.object({ rates: z.array(RateSchema), next_cursor: z.string().nullable() }) },
      },
    },
    ...problems(422),
  },
});

const kept = { description: 'Kept.', content: { 'application/json': { schema: z.object({ kept: z.int() }) } } };

const keep = createStaffRoute({
  method: 'put',
  path: '/api/currency-rates',
  operationId: 'keepCurrencyRates',
  right: 'administrator',
  summary: 'Keep rates; one of the same currency and day is replaced',
  description: 'All of them or none.',
  request: {
    body: jsonBody(
      object({
        rates: z
          .array(
            object({
              currency: currency(),
              valid_from: date(),
              rate: z
                .string()
                .regex(ratePattern, { error: 'must be a positive number such as 0.9215, with at most 12 decimals' })
                .openapi({ example: '0.9215' }),
            }).openapi('NewCurrencyRate'),
          )
          .min(1)
          .max(200),
      }).openapi('NewCurrencyRates'),
    ),
  },
  responses: { 200: kept, ...problems(400, 409, 422) },
});

const upload = createStaffRoute({
  method: 'post',
  path: '/api/currency-rates/csv',
  operationId: 'keepCurrencyRateFile',
  right: 'administrator',
  summary: 'Keep the rates of a file',
  description:
    'The text of a CSV file with the columns currency, valid_from and rate. All of it or nothing: a refusal names the lines.',
  request: { body: jsonBody(object({ csv: text({ charactersMax: 50_000 }) }).openapi('CurrencyRateFile')) },
  responses: { 200: kept, ...problems(400, 409, 422) },
});

const remove = createStaffRoute({
  method: 'delete',
  path: '/api/currency-rates/{currency}/{valid_from}',
  operationId: 'deleteCurrencyRate',
  right: 'administrator',
  summary: 'Remove a rate: from its day the one before it holds',
  request: { params: object({ currency: currency(), valid_from: date() }) },
  responses: { 204: { description: 'Removed.' }, ...problems(404, 422) },
});

export function addRateRoutes(app: App, db: PlatformDb) {
  const cursors = cursorsOf(db);
  const read = async (zone: string) => {
    const [now, unpriced] = await Promise.all([readReportSettings(db), listUnpriced(db, todayIn(zone))]);
    return { ...now, unpriced };
  };
  return app
    .openapi(settings, async (c) => c.json(await read(c.req.valid('query').zone), 200))
    .openapi(change, async (c) => {
      const { currency, expected_version: expectedVersion } = c.req.valid('json');
      await db.transaction({ actor: c.get('actor')?.id }, (tx) =>
        changeReportSettings(tx, { currency, ...(expectedVersion !== undefined && { expectedVersion }) }),
      );
      return c.json(await read('UTC'), 200);
    })
    .openapi(list, async (c) => {
      const { currency, ...asked } = c.req.valid('query');
      const { page: rates, next_cursor } = await cursors.page('currency rates', asked, (paging) =>
        listRates(db, { currency, ...paging }),
      );
      return c.json({ rates, next_cursor }, 200);
    })
    .openapi(keep, async (c) => {
      const { rates } = c.req.valid('json');
      const count = await db.transaction({ actor: c.get('actor')?.id }, (tx) => keepRates(tx, rates));
      return c.json({ kept: count }, 200);
    })
    .openapi(upload, async (c) => {
      const { rates, places } = readRateFile(c.req.valid('json').csv);
      const count = await db.transaction({ actor: c.get('actor')?.id }, (tx) => keepRates(tx, rates, places));
      return c.json({ kept: count }, 200);
    })
    .openapi(remove, async (c) => {
      await db.transaction({ actor: c.get('actor')?.id }, (tx) => deleteRate(tx, c.req.valid('param')));
      return c.body(null, 204);
    });
}
