import { InvalidField, type Queryable } from '@aether/platform';

/** A currency of ISO 4217. */
export type Currency = {
  code: string;
  /** The most decimals of an amount: 0 for JPY, 2 for EUR, 3 for KWD. */
  decimals: number;
};

/** The currencies in use, by code. */
export function listCurrencies(on: Queryable): Promise<Currency[]> {
  return on.query<Currency>('select code, decimals from crm.currencies where not is_withdrawn order by code');
}

/** The most digits of an amount in the currency's smallest unit: JavaScript keeps this many exactly. */
export const digitsMax = 15;

/**
 * Makes the same checks as the trigger check_money of crm.deals, with words for a person.
 *
 * @param money.former the currency of the deal so far. A deal keeps a currency that was withdrawn since; no deal gets one.
 * @throws InvalidField
 */
export async function requireMoney(
  on: Queryable,
  { amount, currency, former }: { amount: number; currency: string; former?: string },
): Promise<void> {
  const [known] = await on.query<Pick<Currency, 'decimals'> & { is_withdrawn: boolean }>(
    'select decimals, is_withdrawn from crm.currencies where code = $1',
    [currency],
  );
  if (!known)
    throw new InvalidField([
      { field: 'currency', message: 'is no currency of ISO 4217: choose one of GET /api/currencies, such as EUR' },
    ]);
  if (known.is_withdrawn && currency !== former)
    throw new InvalidField([
      {
        field: 'currency',
        message: `has been withdrawn (${currency}): choose one of GET /api/currencies, such as EUR`,
      },
    ]);
  const { decimals } = known;
  const refuse = (message: string) => {
    throw new InvalidField([{ field: 'amount', message }]);
  };
  if (Number(amount.toFixed(decimals)) !== amount)
    refuse(
      decimals === 0
        ? `must be a whole number: ${currency} has no decimals`
        : `may have at most ${decimals} decimals in ${currency}`,
    );
  if (amount >= 10 ** (digitsMax - decimals)) refuse(`must be below ${10 ** (digitsMax - decimals)} in ${currency}`);
}
