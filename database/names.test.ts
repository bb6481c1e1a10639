import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase } from './testing.ts';

let superuser: pg.Client;
let foundation: pg.Client;
let unique = 0;
const newEmail = () => `name-${++unique}@example.com`;
beforeAll(async () => {
  const database = await createTestDatabase();
  superuser = await database.connect('postgres');
  foundation = await database.connect('foundation_app');
});

describe('names', () => {
  const names = ['Zoe', 'anna', 'Åse', 'Anna', 'Иван', 'de Vries', 'Öz', 'zoe', 'Łukasz'];
  const inOrder = ['anna', 'Anna', 'Åse', 'de Vries', 'Łukasz', 'Öz', 'zoe', 'Zoe', 'Иван'];

  test('are sorted as people sort them, in every table that lists them', async () => {
    const { rows } = await superuser.query(
      `select format('%s.%I', a.attrelid::regclass, a.attname) as name from pg_attribute a join pg_class c on c.oid = a.attrelid
       where a.attcollation = 'platform.people'::regcollation and c.relkind = 'r' order by 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual([
      'crm.contacts.name',
      'crm.deals.name',
      'crm.loss_reasons.name',
      'crm.tags.name',
      'platform.companies.name',
      'platform.customers.name',
      'platform.tiers.label',
      'platform.users.name',
      'support.chatbots.name',
      'support.tags.name',
      'support.teams.name',
      'support.widgets.name',
    ]);
    for (const name of names)
      await foundation.query('insert into platform.customers (email, name) values ($1, $2)', [newEmail(), name]);
    const sorted = await foundation.query('select name from platform.customers where name = any ($1) order by name', [
      names,
    ]);
    expect(sorted.rows.map(({ name }) => name)).toEqual(inOrder);
  });

  test('in any script are found by an index of trigrams', async () => {
    const { rows } = await superuser.query(`select cardinality(ext.show_trgm('Иван')) as trigrams`);
    expect(rows).toEqual([{ trigrams: 5 }]);
  });
});
