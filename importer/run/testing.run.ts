import type pg from 'pg';
import type { Person, ReadRow } from '../person.ts';
import { type PlanOptions, planImport } from './plan.ts';

/** A person with what a test says of one. */
export function person(line: number, facts: Partial<Person> & { email?: string; phone?: string } = {}): ReadRow {
  const { email, phone, ...more } = facts;
  return {
    kind: 'person',
    line,
    raw: `${line},${email ?? ''},${more.name ?? ''}`,
    person: {
      line,
      externalId: null,
      emails: email === undefined ? [] : [{ address: email, key: email.toLowerCase() }],
      phones: phone === undefined ? [] : [{ written: phone, key: phone, extension: null, isShared: false }],
      name: null,
      firstName: null,
      lastName: null,
      company: null,
      city: null,
      birthDate: null,
      tier: null,
      owner: null,
      language: null,
      timezone: null,
      createdAt: null,
      tags: [],
      notes: [],
      custom: {},
      remarks: [],
      ...more,
    },
  };
}

export const rejected = (line: number): ReadRow => ({
  kind: 'rejected',
  line,
  raw: `${line},what?`,
  code: 'ragged',
  reason: 'The row has two fields in place of three.',
});

/** @param onEnd is waited for before the list ends */
export async function* inBatches(rows: ReadRow[], size = 100, onEnd?: () => Promise<void>): AsyncGenerator<ReadRow[]> {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
  await onEnd?.();
}

/** Plans one list of a source. */
export function planRows(
  client: pg.Client,
  rows: ReadRow[],
  { source = 'old-crm', ...more }: Partial<Omit<PlanOptions, 'sources'>> & { source?: string } = {},
  { onEnd }: { onEnd?: () => Promise<void> } = {},
) {
  return planImport(client, {
    app: 'foundation',
    ...more,
    sources: [{ source, name: `${source}.csv`, sha256: null, rows: inBatches(rows, 100, onEnd) }],
  });
}

/** Everything that an app could see of the shared records, and every event, as one text. */
export async function readAll(superuser: pg.Client, { versions = true } = {}): Promise<Record<string, unknown[]>> {
  const tables = {
    'platform.customers': versions ? 'id' : 'id, version, updated_at',
    'platform.customer_emails': 'email_key',
    'platform.customer_phones': 'id',
    'platform.customer_external_ids': 'external_id, app',
    'platform.companies': 'id',
    'crm.customer_order': 'customer_id',
    'crm.activities': 'id',
    'crm.custom_field_values': 'id',
  };
  const all: Record<string, unknown[]> = {};
  for (const [table, order] of Object.entries(tables)) {
    const without = versions ? '' : ` - 'version' - 'updated_at'`;
    const { rows } = await superuser.query(`select to_jsonb(t)${without} as row from ${table} t order by ${order}`);
    all[table] = rows.map(({ row }) => row);
  }
  return all;
}

export async function countEvents(superuser: pg.Client): Promise<number> {
  const { rows } = await superuser.query(
    'select (select count(*) from sync.outbox) + (select count(*) from sync.events) as events',
  );
  return Number(rows[0].events);
}

/** Whose each line is, or why it is nobody's: a customer that is not there yet is called after its first line. */
export async function describeOwners(superuser: pg.Client, run: string): Promise<unknown[]> {
  const { rows } = await superuser.query(
    `select p.line, case when p.outcome in ('held', 'rejected', 'excluded') then p.outcome || ' ' || p.code
       when c.id is not null then c.id::text else 'of line ' || p.lead end as owner
     from sync.import_rows p left join platform.customers c on c.id = p.customer where p.run = $1 order by p.n`,
    [run],
  );
  return rows;
}
