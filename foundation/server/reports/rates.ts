import {
  InvalidField,
  NotFound,
  type Paging,
  type Placed,
  type Queryable,
  readList,
  type Transaction,
  VersionConflict,
} from '@aether/platform';

/*
 * Sums of several currencies are said in one, the reporting currency. A rate holds from its day until the next one of its currency, and
 * leads into one reporting currency: the rates of another one are kept, and not used. An amount whose currency has no rate on its day is
 * counted apart and never taken for nothing or for the same number.
 */

export type ReportSettings = { currency: string; decimals: number; version: number };

/** A rate is a text, because it is exact: how much of the reporting currency one unit is worth. */
export type Rate = { base: string; currency: string; valid_from: string; rate: string };
export type NewRate = Omit<Rate, 'base'>;

export async function readReportSettings(on: Queryable): Promise<ReportSettings> {
  const [settings] = await on.query<ReportSettings>(
    `select s.currency, c.decimals, s.version from crm.report_settings s join crm.currencies c on c.code = s.currency`,
  );
  return settings as ReportSettings;
}

/** The currencies of deals that have no rate today, with the number of their deals. */
export function listUnpriced(on: Queryable, today: string): Promise<{ currency: string; deals: number }[]> {
  return on.query(
    `select d.currency, count(*)::integer as deals from crm.deals d cross join crm.report_settings s
     where d.currency <> s.currency and not exists (
       select from crm.currency_rates r where r.base = s.currency and r.currency = d.currency and r.valid_from <= $1)
     group by d.currency order by 2 desc, 1`,
    [today],
  );
}

/** @throws VersionConflict; InvalidField for what is no currency in use */
export async function changeReportSettings(
  tx: Transaction,
  { currency, expectedVersion }: { currency: string; expectedVersion?: number },
): Promise<ReportSettings> {
  const [held] = await tx.query<{ version: number }>('select version from crm.report_settings for update');
  if (expectedVersion !== undefined && held?.version !== expectedVersion)
    throw new VersionConflict('reporting', expectedVersion, held?.version as number);
  await requireCurrencies(tx, [{ currency, field: 'currency' }]);
  await tx.query('update crm.report_settings set currency = $1', [currency]);
  return readReportSettings(tx);
}

const rateColumns = `r.base, r.currency, r.valid_from::text, r.rate::text`;

/** The rates that lead into the reporting currency, the newest first. */
export function listRates(
  on: Queryable,
  { currency, ...paging }: { currency?: string | undefined } & Paging,
): Promise<Placed<Rate>[]> {
  const order = { by: 'r.valid_from', type: 'date', id: 'r.currency', idType: 'text' };
  return readList<Rate>(on, { order, direction: 'desc', ...paging }, (parameter) => ({
    columns: rateColumns,
    from: 'crm.currency_rates r join crm.report_settings s on s.currency = r.base',
    where: currency ? [`r.currency = ${parameter(currency)}`] : ['true'],
  }));
}

/**
 * Keeps rates into the reporting currency; one of the same currency and day is replaced.
 *
 * @param places names each rate for a refusal, such as `rates.3` or `line 4`.
 * @throws InvalidField
 */
export async function keepRates(
  tx: Transaction,
  rates: NewRate[],
  places: string[] = rates.map((_, index) => `rates.${index}`),
): Promise<number> {
  // To the end of the transaction: a change of the reporting currency would make them rates of something else.
  const [settings] = await tx.query<{ currency: string }>('select currency from crm.report_settings for share');
  const base = settings?.currency as string;
  const seen = new Map<string, string>();
  const faults = rates.flatMap(({ currency, valid_from }, index) => {
    const field = places[index] as string;
    if (currency === base)
      return [{ field, message: `is of ${base}, the reporting currency itself, which needs no rate` }];
    const first = seen.get(`${currency} ${valid_from}`);
    seen.set(`${currency} ${valid_from}`, field);
    return first === undefined ? [] : [{ field, message: `has the currency and the day of ${first}: leave one out` }];
  });
  if (faults.length > 0) throw new InvalidField(faults);
  await requireCurrencies(
    tx,
    rates.map(({ currency }, index) => ({ currency, field: places[index] as string })),
  );
  await tx.query(
    `insert into crm.currency_rates as r (base, currency, valid_from, rate)
     select $1, w.currency, w.valid_from, w.rate
     from jsonb_to_recordset($2::jsonb) as w (currency text, valid_from date, rate numeric)
     on conflict (base, currency, valid_from) do update set rate = excluded.rate`,
    [base, JSON.stringify(rates)],
  );
  return rates.length;
}

/** @throws NotFound */
export async function deleteRate(tx: Transaction, { currency, valid_from }: Omit<NewRate, 'rate'>): Promise<void> {
  const [gone] = await tx.query(
    `delete from crm.currency_rates r using crm.report_settings s
     where r.base = s.currency and r.currency = $1 and r.valid_from = $2 returning r.currency`,
    [currency, valid_from],
  );
  if (!gone) throw new NotFound('rate');
}

async function requireCurrencies(on: Queryable, asked: { currency: string; field: string }[]): Promise<void> {
  const known = await on.query<{ code: string }>('select code from crm.currencies where code = any ($1)', [
    [...new Set(asked.map(({ currency }) => currency))],
  ]);
  const codes = new Set(known.map(({ code }) => code));
  const faults = asked
    .filter(({ currency }) => !codes.has(currency))
    .map(({ currency, field }) => ({ field, message: `${currency} is no currency of ISO 4217` }));
  if (faults.length > 0) throw new InvalidField(faults);
}
