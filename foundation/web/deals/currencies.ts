import { useQuery } from '@tanstack/react-query';
import { currenciesQuery } from '../api/deals.ts';

const common = ['EUR', 'USD', 'GBP', 'CHF'];

/** The codes of the currencies that a deal may get, the common ones first. */
export function useCurrencies(): string[] {
  const { data } = useQuery(currenciesQuery);
  return [...new Set([...common, ...(data?.currencies.map(({ code }) => code) ?? [])])];
}
