import { addDays, cutSpan, daysOf, type Piece, type PieceSize, type Span, todayIn } from '@aether/http';
import { collectValues, type Parameter, type Queryable } from '@aether/platform';
import type { ReportSettings } from './rates.ts';
import { type ClosedSum, type Keyed, nothing, type Sum, sumDeals } from './sums.ts';

/** Which deals a report is about. */
export type ReportFilters = { pipeline?: number | undefined; owner?: string | undefined };

type Named<Id> = { id: Id; name: string };

function matchReported({ pipeline, owner }: ReportFilters, parameter: Parameter): string[] {
  return [
    ...(pipeline === undefined ? [] : [`d.pipeline_id = ${parameter(pipeline, 'bigint')}`]),
    ...(owner === undefined ? [] : [`d.owner_id = ${parameter(owner)}`]),
  ];
}

const without = ({ keys: _, ...sum }: Keyed<string>): Sum => sum;
const closedSum = ({ deals, amount, unpriced, sums }: Sum): ClosedSum => ({ deals, amount, unpriced, sums });

export type PipelineRow = {
  pipeline: Named<number>;
  stage: Named<number>;
  probability_percent: number;
} & Sum;

/** The open deals by stage, in the order of the stages; today's rates hold. */
export async function reportPipeline(
  on: Queryable,
  settings: ReportSettings,
  { zone, ...filters }: ReportFilters & { zone: string },
): Promise<{ rows: PipelineRow[]; total: Sum }> {
  const [stages, { rows, total }] = await Promise.all([
    on.query<{ pipeline: Named<number>; stage: Named<number>; probability_percent: number }>(
      `select jsonb_build_object('id', p.id, 'name', p.name) as pipeline, jsonb_build_object('id', s.id, 'name', s.name) as stage,
         s.probability_percent
       from crm.pipeline_stages s join crm.pipelines p on p.id = s.pipeline_id
       where s.outcome = 'open' and ($1::bigint is null or p.id = $1)
       order by p.is_default desc, p.name, s.position`,
      [filters.pipeline ?? null],
    ),
    sumDeals(on, settings, (parameter) => ({
      keys: { stage: 'd.stage_id::text' },
      day: parameter(todayIn(zone), 'date'),
      where: [`d.status = 'open'`, ...matchReported(filters, parameter)],
    })),
  ]);
  const byStage = new Map(rows.map((row) => [row.keys.stage, without(row)]));
  return {
    rows: stages.map((stage) => ({
      ...stage,
      ...(byStage.get(String(stage.stage.id)) ?? nothing(settings.decimals)),
    })),
    total,
  };
}

/** What became of deals. */
export type Outcomes = {
  won: ClosedSum;
  lost: ClosedSum;
  /** The won ones of all that were closed; null if none was. */
  win_percent: number | null;
  /** From the creation to the closing of won deals: so many days were enough for half of them; null if none was won. */
  days_to_win: number | null;
};
export type PeriodRow = Piece & Outcomes;
export type OwnerRow = { owner: Named<string> | null } & Outcomes;

/** Deals that were closed in a span, by time and by owner; the rate of the day of the closing holds. */
export async function reportOutcomes(
  on: Queryable,
  settings: ReportSettings,
  { span, by, ...filters }: ReportFilters & { span: Span; by?: PieceSize | undefined },
): Promise<{ periods: PeriodRow[]; owners: OwnerRow[]; total: Outcomes }> {
  const pieces = cutSpan(span, by);
  const periodOf = (parameter: Parameter) => pieceOf(pieces, parameter);
  const [byPeriod, byOwner, all, waits, ownerWaits] = await Promise.all([
    sumClosed(on, settings, { span, filters }, (parameter) => ({
      period: `${periodOf(parameter)}::text`,
      status: 'd.status',
    })),
    sumClosed(on, settings, { span, filters }, () => ({ owner: 'd.owner_id', status: 'd.status' })),
    sumClosed(on, settings, { span, filters }, () => ({ status: 'd.status' })),
    readWaits(on, { span, filters }, (parameter) => `${periodOf(parameter)}::text`),
    readWaits(on, { span, filters }, () => 'd.owner_id'),
  ]);
  const names = await nameUsers(on, byOwner);
  const ownerIds = [...new Set(byOwner.map(({ keys }) => keys.owner))];
  return {
    periods: pieces.map((piece, index) => {
      const period = String(index + 1);
      const rows = byPeriod.filter(({ keys }) => keys.period === period);
      return { ...piece, ...outcomesOf(rows, settings, waits.get(period)) };
    }),
    owners: ownerIds
      .map((id) => ({
        owner: id === null ? null : { id, name: names.get(id) ?? id },
        ...outcomesOf(
          byOwner.filter(({ keys }) => keys.owner === id),
          settings,
          ownerWaits.get(id),
        ),
      }))
      .sort((one, other) => Number(other.won.amount) - Number(one.won.amount)),
    total: outcomesOf(all, settings, waits.get('all')),
  };
}

async function sumClosed<Key extends string>(
  on: Queryable,
  settings: ReportSettings,
  { span, filters }: { span: Span; filters: ReportFilters },
  keys: (parameter: Parameter) => Record<Key, string>,
): Promise<Keyed<Key>[]> {
  const { rows } = await sumDeals<Key>(on, settings, (parameter) => ({
    keys: keys(parameter),
    day: dayOfClosing(span, parameter),
    where: matchClosed(span, filters, parameter),
  }));
  return rows;
}

function matchClosed({ begins, ends }: Span, filters: ReportFilters, parameter: Parameter): string[] {
  return [
    `d.closed_at >= ${parameter(begins, 'timestamptz')}`,
    `d.closed_at < ${parameter(ends, 'timestamptz')}`,
    ...matchReported(filters, parameter),
  ];
}

/** The day of the zone on which a deal `d` was closed. */
function dayOfClosing(span: Span, parameter: Parameter): string {
  const { days, begins } = daysOf(span);
  return `(${parameter(days, 'date[]')})[width_bucket(d.closed_at, ${parameter(begins, 'timestamptz[]')})]`;
}

/** The number of the piece in which a deal `d` was closed, from 1. */
const pieceOf = (pieces: Piece[], parameter: Parameter): string =>
  `width_bucket(d.closed_at, ${parameter(
    pieces.map(({ begins }) => begins),
    'timestamptz[]',
  )})`;

/** The median of the days that won deals took, by key; that of all of them is `all`. */
async function readWaits(
  on: Queryable,
  { span, filters }: { span: Span; filters: ReportFilters },
  key: (parameter: Parameter) => string,
): Promise<Map<string | null, number>> {
  const { values, parameter } = collectValues();
  const rows = await on.query<{ is_all: boolean; key: string | null; days: number }>(
    `select grouping(w.key) = 1 as is_all, w.key,
       percentile_cont(0.5) within group (order by w.seconds) / 86400 as days
     from (select ${key(parameter)} as key, greatest(extract(epoch from d.closed_at - d.created_at), 0)::float8 as seconds
       from crm.deals d where d.status = 'won' and ${matchClosed(span, filters, parameter).join(' and ')}) w
     group by grouping sets ((w.key), ())`,
    values,
  );
  // Without a row there is a total all the same, of nothing.
  return new Map(
    rows
      .filter(({ days }) => days !== null)
      .map(({ is_all, key, days }) => [is_all ? 'all' : key, Math.round(days * 10) / 10]),
  );
}

function outcomesOf(
  rows: Keyed<'status'>[],
  { decimals }: Pick<ReportSettings, 'decimals'>,
  days: number | undefined,
): Outcomes {
  const of = (status: string): ClosedSum =>
    closedSum(rows.find(({ keys }) => keys.status === status) ?? nothing(decimals));
  const [won, lost] = [of('won'), of('lost')];
  return {
    won,
    lost,
    win_percent: won.deals + lost.deals === 0 ? null : percent(won.deals, won.deals + lost.deals),
    days_to_win: days ?? null,
  };
}

/** With one decimal. */
const percent = (part: number, whole: number): number => Math.round((part * 1_000) / whole) / 10;

async function nameUsers(on: Queryable, rows: Keyed<'owner'>[]): Promise<Map<string, string>> {
  const ids = [...new Set(rows.flatMap(({ keys }) => keys.owner ?? []))];
  const users = await on.query<Named<string>>('select id, name from platform.users where id = any ($1)', [ids]);
  return new Map(users.map(({ id, name }) => [id, name]));
}

export const whens = ['overdue', 'month', 'later', 'undated'] as const;
export type When = (typeof whens)[number];
export type ForecastRow = {
  /** overdue: the expected day is over. later: after the last month. undated: nobody expects a day. */
  when: When;
  /** The days of a month or of what is overdue, and the first day of later. */
  from: string | null;
  to: string | null;
  owner: Named<string> | null;
} & Sum;
export type ForecastMonth = Omit<ForecastRow, 'owner'>;

const forecastMonths = 12;

/**
 * The open deals by the month in which they are expected to close, this one and the eleven after it, and by owner; today's rates hold, for
 * nobody knows others.
 */
export async function reportForecast(
  on: Queryable,
  settings: ReportSettings,
  { zone, ...filters }: ReportFilters & { zone: string },
): Promise<{ months: ForecastMonth[]; rows: ForecastRow[]; total: Sum }> {
  const today = todayIn(zone);
  const first = Temporal.PlainDate.from(today).with({ day: 1 });
  const firsts = Array.from({ length: forecastMonths + 1 }, (_, index) => first.add({ months: index }).toString());
  const end = firsts.at(-1) as string;
  const ask = (withOwner: boolean) =>
    sumDeals<'when' | 'owner'>(on, settings, (parameter) => ({
      keys: {
        when: `case when d.expected_close_on is null then 'undated' when d.expected_close_on < ${parameter(today, 'date')} then 'overdue'
          when d.expected_close_on >= ${parameter(end, 'date')} then 'later'
          else left(d.expected_close_on::text, 7) end`,
        owner: withOwner ? 'd.owner_id' : 'null::text',
      },
      day: parameter(today, 'date'),
      where: [`d.status = 'open'`, ...matchReported(filters, parameter)],
    }));
  const [byMonth, byOwner] = await Promise.all([ask(false), ask(true)]);
  const names = await nameUsers(on, byOwner.rows);
  const stretches: { key: string; when: When; from: string | null; to: string | null }[] = [
    { key: 'overdue', when: 'overdue', from: null, to: addDays(today, -1) },
    ...firsts.slice(0, -1).map((month, index) => ({
      key: month.slice(0, 7),
      when: 'month' as const,
      // What was expected earlier in this month is overdue.
      from: index === 0 ? today : month,
      to: addDays(firsts[index + 1] as string, -1),
    })),
    { key: 'later', when: 'later', from: end, to: null },
    { key: 'undated', when: 'undated', from: null, to: null },
  ];
  return {
    months: stretches.map(({ key, ...stretch }) => {
      const row = byMonth.rows.find(({ keys }) => keys.when === key);
      return { ...stretch, ...(row ? without(row) : nothing(settings.decimals)) };
    }),
    rows: stretches.flatMap(({ key, ...stretch }) =>
      byOwner.rows
        .filter(({ keys }) => keys.when === key)
        .map((row) => ({
          ...stretch,
          owner:
            row.keys.owner === null ? null : { id: row.keys.owner, name: names.get(row.keys.owner) ?? row.keys.owner },
          ...without(row),
        }))
        .sort((one, other) => Number(other.amount) - Number(one.amount)),
    ),
    total: byMonth.total,
  };
}

export type LossRow = {
  /** Null: nobody has said why. */
  reason: Named<number> | null;
  percent: number;
} & ClosedSum;

/** The deals that were lost in a span, by reason; the rate of the day of the closing holds. */
export async function reportLosses(
  on: Queryable,
  settings: ReportSettings,
  { span, ...filters }: ReportFilters & { span: Span },
): Promise<{ rows: LossRow[]; total: ClosedSum }> {
  const [{ rows, total }, reasons] = await Promise.all([
    sumDeals(on, settings, (parameter) => ({
      keys: {
        reason: '(select k.reason_id::text from crm.deal_closings k where k.deal_id = d.id and k.reopened_at is null)',
      },
      day: dayOfClosing(span, parameter),
      where: [`d.status = 'lost'`, ...matchClosed(span, filters, parameter)],
    })),
    on.query<Named<number>>('select id, name from crm.loss_reasons'),
  ]);
  const names = new Map(reasons.map((reason) => [String(reason.id), reason]));
  return {
    rows: rows
      .map((row) => ({
        reason: names.get(row.keys.reason ?? '') ?? null,
        percent: percent(row.deals, total.deals),
        ...closedSum(row),
      }))
      .sort((one, other) => other.deals - one.deals),
    total: closedSum(total),
  };
}
