import { formatMoney } from '@aether/ui/formats.ts';
import type { ClosedSum } from '../api/reports.ts';

/** An amount that the server wrote as a text, because it is exact. */
export const showAmount = (amount: string, currency: string, short = false): string =>
  formatMoney(Number(amount), currency, { short });

/** A sum in the reporting currency, with its parts as they were entered where they are of other currencies, and what has no rate. */
export function Amount({ sum: { amount, sums, unpriced, deals }, currency }: { sum: ClosedSum; currency: string }) {
  const parts = Object.entries(sums);
  const isMixed = parts.some(([code]) => code !== currency);
  const said = parts.map(([code, part]) => showAmount(part, code)).join(' + ');
  return (
    <span title={isMixed ? `As entered: ${said}` : undefined}>
      {unpriced === deals && deals > 0 ? 'no rate' : showAmount(amount, currency)}
      {unpriced > 0 && unpriced < deals && ` + ${unpriced} without a rate`}
    </span>
  );
}

/** The parts of a sum as they were entered: `€1,200 + $300`. */
export const showSums = (sums: Record<string, string>): string =>
  Object.entries(sums)
    .map(([code, part]) => showAmount(part, code))
    .join(' + ');
