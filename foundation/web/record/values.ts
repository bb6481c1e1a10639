import { formatDay, formatNumber } from '@aether/ui/formats.ts';
import type { FieldType } from '../api/records.ts';

/** A custom field's value in words; empty if there is none. */
export function showCustomValue(type: FieldType, value: unknown): string {
  if (value === undefined || value === null || value === '') return '';
  if (type === 'checkbox') return value ? 'Yes' : 'No';
  if (type === 'number') return formatNumber(Number(value));
  return type === 'date' ? formatDay(String(value)) : String(value);
}
