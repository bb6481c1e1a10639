import { isNoAddress } from '@aether/platform/noaddress';
import type { AsOf } from './queries.ts';

/** A value of a field as a person reads it. Names of companies and people are those of today. Pure. */
export function sayValue(field: string, value: unknown, names: AsOf['names']): string {
  if (value === null || value === undefined || value === '') return '–';
  const text = String(value);
  if (field === 'company_id') return names.companies[text] ?? text;
  if (field === 'account_manager_id' || field === 'owner_id') return names.users[text] ?? text;
  if (field === 'stage_id') return names.stages[text] ?? text;
  if (field === 'email' && isNoAddress(text)) return 'no address';
  return typeof value === 'object' ? JSON.stringify(value) : text;
}
