import { isUuid } from '@aether/platform';
import { renameMentions } from '@aether/platform/mentions';
import type { Person } from './person.ts';

/*
 * What an export shows of a row that belongs to a person. Rows name other people: the agents who answered, the staff who wrote it down, the
 * other record of a pair. An agent is named as the widget named them; other staff and other customers are words. Secrets and columns about
 * others never leave the database (platform.person_sources).
 */

export type Row = Record<string, unknown>;

/** Who is meant by the ids of an export. */
export type Known = { person: Person; agents: ReadonlyMap<string, string> };

export const staffWord = 'staff';
export const otherCustomerWord = 'another record';

/** A column, or a member of a value, that names a user; `_by_app` names an app and `chosen_by`, `verified_by` a way. */
const staff =
  /^(?:actor|login|owner_id|account_manager_id|assigned_to|(?:from|to)_user|(?:added|removed|created|closed|reopened|decided|undone|assigned|changed|moved|ended)_by(?:_login)?)$/;
const agent = /^(?:to_)?agent(?:_id)?$/;
const customer =
  /^(?:customer|customer_id|other_id|from_id|to_id|survivor|survivor_id|loser|loser_id|merged_into|one_customer|other_customer|previous_customer_id)$/;
/** Columns whose sibling `field` says what they hold. */
const fieldValues = new Set(['before', 'after', 'written', 'present', 'ours', 'theirs', 'chosen']);

/** A row as the person may have it. Pure. */
export function redact(row: Row, known: Known): Row {
  const isStaffField = typeof row.field === 'string' && staff.test(row.field);
  return Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      isStaffField && fieldValues.has(column) && value !== null ? staffWord : redactValue(column, value, known),
    ]),
  );
}

function redactValue(name: string, value: unknown, known: Known): unknown {
  if (value === null || value === undefined) return value;
  if (Array.isArray(value)) return value.map((each) => redactValue(name, each, known));
  if (typeof value === 'object')
    return Object.fromEntries(
      Object.entries(value).map(([member, inner]) => [member, redactValue(member.split('.')[0] ?? '', inner, known)]),
    );
  if (typeof value !== 'string') return value;
  if (staff.test(name)) return known.person.users.includes(value) ? value : staffWord;
  if (agent.test(name) && isUuid(value)) return known.agents.get(value) ?? staffWord;
  if (customer.test(name)) return known.person.customers.includes(value) ? value : otherCustomerWord;
  return renameMentions(value, (id) => (known.person.users.includes(id) ? undefined : `@${staffWord}`));
}
