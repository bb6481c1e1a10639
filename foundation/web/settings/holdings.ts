import { formatNumber } from '@aether/ui/formats.ts';
import type { Holdings } from '../api/records.ts';

const words: Record<keyof Holdings, [one: string, many: string]> = {
  customers: ['customer', 'customers'],
  companies: ['company', 'companies'],
  deals: ['open deal', 'open deals'],
  tasks: ['task', 'tasks'],
  views: ['shared view', 'shared views'],
};

/** Such as "3 customers, 1 open deal and 2 tasks"; "nothing" for none. */
export function describeHoldings(holdings: Holdings): string {
  const parts = (Object.keys(words) as (keyof Holdings)[])
    .filter((kind) => holdings[kind] > 0)
    .map((kind) => `${formatNumber(holdings[kind])} ${words[kind][holdings[kind] === 1 ? 0 : 1]}`);
  if (parts.length < 2) return parts[0] ?? 'nothing';
  return `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}
