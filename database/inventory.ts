import { readFile, writeFile } from 'node:fs/promises';
import type pg from 'pg';

/** What a column may hold; database/migrations/0023_inventory.sql says what each word means. */
export type ColumnClass = 'identifying' | 'content' | 'technical';

const inventoryFile = new URL('./inventory.txt', import.meta.url);

const header = `# Every column of every table: what it may hold, whose each row is, and what an erasure does with it. Made by \`npm run schema\` from
# what the migrations say (platform.classify), compared by the tests, never edited. $1: the ids of the customers that are one person,
# $2: their addresses, $3: their numbers. A column in [brackets] is content that stays.
`;

/** The inventory of this database, as text: a paragraph for each table. */
export async function describeInventory(client: pg.ClientBase): Promise<string> {
  const { rows } = await client.query<{ text: string }>(`
    select concat_ws(E'\\n',
      format('%s: %s%s. %s', t.relation, t.erasing, case when t.later then ' afterwards' end, t.why),
      '  whose: ' || regexp_replace(t.belongs, '\\s+', ' ', 'g'),
      (select string_agg(format('  %s: %s', c.class, c.columns), E'\\n' order by c.class = 'technical', c.class = 'content') from (
        select i.class, string_agg(case when i.stays then format('[%s]', i.column_name) else i.column_name end, ' '
          order by i.column_name) as columns
        from platform.inventory i where i.relation = t.relation group by i.class) c)) as text
    from platform.inventory_tables t order by t.relation`);
  return `${header}\n${rows.map(({ text }) => text).join('\n\n')}\n`;
}

/** Columns that have no class, and classes of columns that do not exist: a sentence for each, none if all is well. */
export async function findUnclassified(client: pg.ClientBase): Promise<string[]> {
  const { rows } = await client.query<{ relation: string; column_name: string; problem: string }>(
    'select relation, column_name, problem from platform.unclassified()',
  );
  return rows.map(({ relation, column_name, problem }) =>
    problem === 'no class'
      ? `${relation} (${column_name}) has no class: call platform.classify_columns, or platform.classify for a new table.`
      : `${relation} (${column_name}) has a class and does not exist.`,
  );
}

/** The committed listing. */
export async function readInventory(): Promise<string> {
  return (await readFile(inventoryFile, 'utf8')).replaceAll('\r\n', '\n');
}

export async function writeInventory(text: string): Promise<void> {
  await writeFile(inventoryFile, text);
}
