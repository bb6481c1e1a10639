import { isNoAddress } from '@aether/platform/noaddress';
import { formatNumber } from '@aether/ui/formats.ts';
import type { Names } from './queries.ts';

const fields: Record<string, string> = {
  name: 'Name',
  email: 'Primary address',
  phone: 'Telephone',
  company_id: 'Company',
  account_tier: 'Tier',
  account_manager_id: 'Account manager',
  preferred_language: 'Language',
  timezone: 'Time zone',
  crm_id: 'Number of Foundation',
  support_id: 'Number of Support',
};

/** A field as a person calls it; of a custom one its key. Pure. */
export const sayField = (field: string): string => fields[field] ?? field.replace(/^custom\./, '');

const tables: Record<string, [one: string, many: string]> = {
  'platform.customer_emails': ['address', 'addresses'],
  'platform.customer_phones': ['telephone number', 'telephone numbers'],
  'platform.customer_external_ids': ['number of an app', 'numbers of apps'],
  'platform.removed_emails': ['former address', 'former addresses'],
  'platform.removed_phones': ['former telephone number', 'former telephone numbers'],
  'platform.customers': ['customer merged before', 'customers merged before'],
  'crm.custom_field_values': ['custom field', 'custom fields'],
  'crm.customer_tags': ['tag', 'tags'],
  'crm.deals': ['deal', 'deals'],
  'crm.deal_contacts': ['part in a deal', 'parts in deals'],
  'crm.contacts': ['role at a company', 'roles at companies'],
  'crm.activities': ['activity', 'activities'],
  'crm.changes': ['entry of the history', 'entries of the history'],
  'support.sessions': ['conversation', 'conversations'],
  'support.calls': ['call', 'calls'],
};

/** `3 deals`; of a table of another app its name. Pure. */
export function sayRows(table: string, rows: number): string {
  const [one, many] = tables[table] ?? [`row of ${table}`, `rows of ${table}`];
  return `${formatNumber(rows)} ${rows === 1 ? one : many}`;
}

/** One row of a table in words. Pure. */
export const sayRow = (table: string): string => {
  const word = tables[table]?.[0] ?? `row of ${table}`;
  return word.charAt(0).toUpperCase() + word.slice(1);
};

/** A value of a field as a person reads it. Pure. */
export function sayValue(field: string, value: unknown, names: Names): string {
  if (value === null || value === undefined || value === '') return '–';
  const text = String(value);
  if (field === 'email' && isNoAddress(text)) return 'no address';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return names[text] ?? text;
}
