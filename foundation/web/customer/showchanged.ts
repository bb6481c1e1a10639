import { formatDay, formatNumber } from '@aether/ui/formats.ts';

export const isNothing = (value: unknown) => value === null || value === undefined || value === '';

/** A value of the history in words. */
export function showChanged(value: unknown): string {
  if (isNothing(value)) return 'nothing';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return formatNumber(value);
  if (typeof value === 'object' && value) return 'name' in value ? String(value.name) : JSON.stringify(value);
  const text = String(value);
  return /^\d{4}-\d{2}-\d{2}(T|$)/.test(text) ? formatDay(text) : text;
}
