import {
  type App,
  answerCsv,
  bigintIdText,
  type CsvColumns,
  createStaffRoute,
  csvResponse,
  object,
  pieceField,
  problems,
  readSpan,
  spanFields,
  timeZone,
  z,
} from '@aether/http';
import type { PlatformDb } from '@aether/platform';
import { readReportSettings } from './rates.ts';
import {
  type ForecastRow,
  type LossRow,
  type Outcomes,
  type OwnerRow,
  type PeriodRow,
  type PipelineRow,
  reportForecast,
  reportLosses,
  reportOutcomes,
  reportPipeline,
  whens,
} from './reports.ts';
import type { ClosedSum, Sum } from './sums.ts';

const amount = (description: string) => z.string().openapi({ description, example: '1234.50' });
const ClosedSumSchema = z
  .object({
    deals: z.int(),
    amount: amount('In the reporting currency, without the deals that have no rate.'),
    unpriced: z.int().openapi({ description: 'Deals whose currency has no rate on their day: they are in no sum.' }),
    sums: z
      .record(z.string(), z.string())
      .openapi({ description: 'The amounts as they are in the deals, by currency.', example: { EUR: '1200' } }),
  })
  .openapi('ClosedDealSum');
const SumSchema = ClosedSumSchema.extend({
  weighted: amount('The same, each deal by the probability of its stage.'),
}).openapi('DealSum');
const namedText = z.object({ id: z.string(), name: z.string() });
const namedNumber = z.object({ id: z.int(), name: z.string() });
const day = z.string().openapi({ format: 'date' });
const moment = z.string().openapi({ format: 'date-time' });
const outcomes = {
  won: ClosedSumSchema,
  lost: ClosedSumSchema,
  win_percent: z
    .number()
    .nullable()
    .openapi({ description: 'The won ones of the closed ones; null if there is none.' }),
  days_to_win: z
    .number()
    .nullable()
    .openapi({ description: 'The median of the days from the creation to the closing of won deals.' }),
};
const about = { currency: z.string().openapi({ description: 'The reporting currency.' }), zone: z.string() };
const spanOf = { ...about, from: day, to: day };
const answer = <Shape extends z.ZodRawShape>(name: string, shape: Shape) => ({
  description: 'The report.',
  content: { 'application/json': { schema: z.object(shape).openapi(name) } },
});

const filters = {
  pipeline: bigintIdText().optional(),
  owner: z.string().min(1).max(255).optional().openapi({ description: 'Id of the user whose deals they are.' }),
};
const now = { ...filters, zone: timeZone().default('UTC').openapi({ description: 'Whose today it is.' }) };
const past = { ...filters, ...spanFields };

const pipeline = createStaffRoute({
  method: 'get',
  path: '/api/reports/pipeline',
  operationId: 'reportPipeline',
  right: 'reports.read',
  summary: 'The open deals by stage',
  description: 'In the reporting currency at today’s rates.',
  request: { query: object(now) },
  responses: {
    200: answer('PipelineReport', {
      ...about,
      rows: z.array(
        z.object({
          pipeline: namedNumber,
          stage: namedNumber,
          probability_percent: z.int(),
          ...SumSchema.shape,
        }),
      ),
      total: SumSchema,
    }),
    ...problems(422),
  },
});

const outcome = createStaffRoute({
  method: 'get',
  path: '/api/reports/outcomes',
  operationId: 'reportOutcomes',
  right: 'reports.read',
  summary: 'Deals that were won and lost, by time and by owner',
  description: 'In the reporting currency at the rates of the days on which the deals were closed.',
  request: { query: object({ ...past, by: pieceField }) },
  responses: {
    200: answer('OutcomeReport', {
      ...spanOf,
      periods: z.array(z.object({ from: day, to: day, begins: moment, ends: moment, ...outcomes })),
      owners: z.array(z.object({ owner: namedText.nullable(), ...outcomes })),
      total: z.object(outcomes),
      begins: moment,
      ends: moment,
    }),
    ...problems(422),
  },
});

const forecastShape = {
  when: z.enum(whens).openapi({
    description:
      'overdue: the expected day is over. month: the days of this row. later: from its first day on. undated: no day is expected.',
  }),
  from: day.nullable(),
  to: day.nullable(),
  ...SumSchema.shape,
};
const forecast = createStaffRoute({
  method: 'get',
  path: '/api/reports/forecast',
  operationId: 'reportForecast',
  right: 'reports.read',
  summary: 'The open deals by the month in which they are expected to close, and by owner',
  description: 'This month and the eleven after it, in the reporting currency at today’s rates.',
  request: { query: object(now) },
  responses: {
    200: answer('ForecastReport', {
      ...about,
      months: z.array(z.object(forecastShape)),
      rows: z.array(z.object({ ...forecastShape, owner: namedText.nullable() })),
      total: SumSchema,
    }),
    ...problems(422),
  },
});

const losses = createStaffRoute({
  method: 'get',
  path: '/api/reports/losses',
  operationId: 'reportLosses',
  right: 'reports.read',
  summary: 'Why deals were lost',
  description: 'In the reporting currency at the rates of the days on which the deals were closed.',
  request: { query: object(past) },
  responses: {
    200: answer('LossReport', {
      ...spanOf,
      rows: z.array(z.object({ reason: namedNumber.nullable(), percent: z.number(), ...ClosedSumSchema.shape })),
      total: ClosedSumSchema,
      begins: moment,
      ends: moment,
    }),
    ...problems(422),
  },
});

/** A file of the same rows as the report of that name. */
const fileOf = <Path extends string, Fields extends z.ZodRawShape>(path: Path, summary: string, fields: Fields) =>
  createStaffRoute({
    method: 'get',
    path,
    right: 'reports.read',
    summary,
    description: 'Amounts have a point and no currency sign; the column `currency` names the reporting currency.',
    request: { query: object(fields) },
    responses: { 200: csvResponse, ...problems(422) },
  });
const files = {
  pipeline: fileOf('/api/reports/pipeline.csv', 'The open deals by stage, as a file', now),
  periods: fileOf('/api/reports/outcomes.csv', 'Won and lost deals by time, as a file', { ...past, by: pieceField }),
  owners: fileOf('/api/reports/owners.csv', 'Won and lost deals by owner, as a file', past),
  forecast: fileOf('/api/reports/forecast.csv', 'The forecast by month and owner, as a file', now),
  losses: fileOf('/api/reports/losses.csv', 'Reasons of lost deals, as a file', past),
};

export function addReportRoutes(app: App, db: PlatformDb) {
  const read = async <Found>(of: (settings: Awaited<ReturnType<typeof readReportSettings>>) => Promise<Found>) => {
    const settings = await readReportSettings(db.reads);
    return { currency: settings.currency, found: await of(settings) };
  };
  return app
    .openapi(pipeline, async (c) => {
      const asked = c.req.valid('query');
      const { currency, found } = await read((settings) => reportPipeline(db.reads, settings, asked));
      return c.json({ currency, zone: asked.zone, ...found }, 200);
    })
    .openapi(outcome, async (c) => {
      const asked = c.req.valid('query');
      const span = readSpan(asked);
      const { currency, found } = await read((settings) => reportOutcomes(db.reads, settings, { ...asked, span }));
      return c.json({ currency, ...said(span), ...found, periods: found.periods.map(sayPiece) }, 200);
    })
    .openapi(forecast, async (c) => {
      const asked = c.req.valid('query');
      const { currency, found } = await read((settings) => reportForecast(db.reads, settings, asked));
      return c.json({ currency, zone: asked.zone, ...found }, 200);
    })
    .openapi(losses, async (c) => {
      const asked = c.req.valid('query');
      const span = readSpan(asked);
      const { currency, found } = await read((settings) => reportLosses(db.reads, settings, { ...asked, span }));
      return c.json({ currency, ...said(span), ...found }, 200);
    })
    .openapi(files.pipeline, async (c) => {
      const { currency, found } = await read((settings) => reportPipeline(db.reads, settings, c.req.valid('query')));
      return answerCsv(c, fileFor('pipeline', { ...pipelineColumns, ...sumColumns(currency) }, found.rows));
    })
    .openapi(files.periods, async (c) => {
      const asked = c.req.valid('query');
      const { currency, found } = await read((settings) =>
        reportOutcomes(db.reads, settings, { ...asked, span: readSpan(asked) }),
      );
      return answerCsv(c, fileFor('outcomes', { ...periodColumns, ...outcomeColumns(currency) }, found.periods));
    })
    .openapi(files.owners, async (c) => {
      const asked = c.req.valid('query');
      const { currency, found } = await read((settings) =>
        reportOutcomes(db.reads, settings, { ...asked, span: readSpan(asked), by: 'month' }),
      );
      return answerCsv(c, fileFor('owners', { ...ownerColumns, ...outcomeColumns(currency) }, found.owners));
    })
    .openapi(files.forecast, async (c) => {
      const { currency, found } = await read((settings) => reportForecast(db.reads, settings, c.req.valid('query')));
      return answerCsv(c, fileFor('forecast', { ...forecastColumns, ...sumColumns(currency) }, found.rows));
    })
    .openapi(files.losses, async (c) => {
      const asked = c.req.valid('query');
      const { currency, found } = await read((settings) =>
        reportLosses(db.reads, settings, { ...asked, span: readSpan(asked) }),
      );
      return answerCsv(c, fileFor('loss-reasons', { ...lossColumns, ...closedColumns(currency) }, found.rows));
    });
}

const said = ({ from, to, zone, begins, ends }: ReturnType<typeof readSpan>) => ({
  from,
  to,
  zone,
  begins: begins.toISOString(),
  ends: ends.toISOString(),
});
const sayPiece = ({ begins, ends, ...row }: PeriodRow) => ({
  ...row,
  begins: begins.toISOString(),
  ends: ends.toISOString(),
});

const fileFor = <Row>(name: string, columns: CsvColumns<Row>, rows: Row[]) => ({
  name,
  columns,
  async *pages() {
    yield rows;
  },
});

/** `EUR 1200; USD 300.5` */
const saySums = (sums: Sum['sums']): string =>
  Object.entries(sums)
    .map(([currency, sum]) => `${currency} ${sum}`)
    .join('; ');

const closedColumns = (currency: string): CsvColumns<ClosedSum> => ({
  deals: ({ deals }) => deals,
  currency: () => currency,
  amount: ({ amount }) => amount,
  without_rate: ({ unpriced }) => unpriced,
  as_entered: ({ sums }) => saySums(sums),
});
const sumColumns = (currency: string): CsvColumns<Sum> => ({
  ...closedColumns(currency),
  weighted: ({ weighted }) => weighted,
});
const outcomeColumns = (currency: string): CsvColumns<Outcomes> => ({
  currency: () => currency,
  won: ({ won }) => won.deals,
  won_amount: ({ won }) => won.amount,
  lost: ({ lost }) => lost.deals,
  lost_amount: ({ lost }) => lost.amount,
  win_percent: ({ win_percent }) => win_percent,
  median_days_to_win: ({ days_to_win }) => days_to_win,
  without_rate: ({ won, lost }) => won.unpriced + lost.unpriced,
  won_as_entered: ({ won }) => saySums(won.sums),
  lost_as_entered: ({ lost }) => saySums(lost.sums),
});
const pipelineColumns: CsvColumns<PipelineRow> = {
  pipeline: ({ pipeline }) => pipeline.name,
  stage: ({ stage }) => stage.name,
  probability_percent: ({ probability_percent }) => probability_percent,
};
const periodColumns: CsvColumns<PeriodRow> = { from: ({ from }) => from, to: ({ to }) => to };
const ownerColumns: CsvColumns<OwnerRow> = { owner: ({ owner }) => owner?.name };
const forecastColumns: CsvColumns<ForecastRow> = {
  expected: ({ when, from }) => (when === 'month' ? from?.slice(0, 7) : when),
  owner: ({ owner }) => owner?.name,
};
const lossColumns: CsvColumns<LossRow> = {
  reason: ({ reason }) => reason?.name,
  percent: ({ percent }) => percent,
};
