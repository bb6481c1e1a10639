import { createTestDatabase } from '@aether/database/testing';
import type pg from 'pg';
import { beforeAll, expect, test } from 'vitest';
import { absences } from './absences.ts';

let superuser: pg.Client;
beforeAll(async () => {
  superuser = await (await createTestDatabase()).connect('postgres');
});

const logins = ['foundation_app', 'support_app', 'console_app', 'sync_app', 'observer_app', 'privacy_app'];
const cases = absences.flatMap(({ table, columns, verbs, role }) =>
  verbs.flatMap((verb) =>
    (verb === 'delete' ? [undefined] : (columns ?? [undefined])).map((column) => ({ table, column, verb, role })),
  ),
);

/** The logins that lack the right; of a verb without a column those that lack it for any column of the table. */
async function lacking(table: string, column: string | undefined, verb: string): Promise<string[]> {
  const { rows } = await superuser.query<{ login: string }>(
    `select l.login from unnest($1::text[]) l (login)
     where case when $4 = 'delete' then not has_table_privilege(l.login, $2, 'delete')
       else exists (
         select from pg_attribute a
         where a.attrelid = $2::regclass and a.attnum > 0 and not a.attisdropped and ($3::text is null or a.attname = $3)
           and not has_column_privilege(l.login, $2::regclass, a.attnum, $4)) end`,
    [logins, table, column ?? null, verb],
  );
  return rows.map(({ login }) => login);
}

test.each(cases)('$verb on $table ($column) is absent, as its reason says', async ({ table, column, verb, role }) => {
  const without = await lacking(table, column, verb);
  if (role) expect(without).toContain(role.replace(/_role$/, '_app'));
  // An app of the matrix must lack it: otherwise nobody ever reads the reason.
  else expect(without.filter((login) => login !== 'observer_app' && login !== 'privacy_app')).not.toEqual([]);
});

test('a right that its reason calls absent for everybody is had by nobody', async () => {
  for (const [table, verb] of [
    ['sync.outbox', 'select'],
    ['sync.outbox', 'insert'],
    ['sync.events', 'insert'],
    ['sync.events', 'update'],
    ['sync.operations', 'insert'],
    ['sync.operations', 'delete'],
    ['platform.users', 'insert'],
    ['platform.customers', 'delete'],
  ] as const)
    expect([table, verb, (await lacking(table, undefined, verb)).sort()]).toEqual([table, verb, [...logins].sort()]);
});
