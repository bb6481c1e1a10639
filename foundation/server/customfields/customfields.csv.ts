import type { CsvColumns } from '@aether/http';
import type { Queryable } from '@aether/platform';
import { type CustomValues, customValues, type FieldRecord, listCustomFields } from './customfields.ts';

/** A column for each custom field, with the heading that an import takes for it. */
export async function customColumns(on: Queryable, record: FieldRecord): Promise<CsvColumns<{ custom: CustomValues }>> {
  const fields = await listCustomFields(on, record);
  return Object.fromEntries(
    fields.map(({ key }) => [`custom:${key}`, (row: { custom: CustomValues }) => row.custom[key]]),
  );
}

/** Adds the values of the custom fields to the rows of a list that is read without them. */
export async function addCustomValues<Row extends { id: string | number }>(
  on: Queryable,
  record: FieldRecord,
  rows: Row[],
): Promise<(Row & { custom: CustomValues })[]> {
  const found = await on.query<{ id: string; custom: CustomValues }>(
    `select i.id::text, ${customValues(record, 'i.id')} as custom from unnest($1::${record === 'deal' ? 'bigint' : 'uuid'}[]) i (id)`,
    [rows.map(({ id }) => id)],
  );
  const byId = new Map(found.map(({ id, custom }) => [id, custom]));
  return rows.map((row) => ({ ...row, custom: byId.get(String(row.id)) ?? {} }));
}
