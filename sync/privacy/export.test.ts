import { buffer } from 'node:stream/consumers';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { applyImport, openSource, planImport, plannedSource, recognise } from '@aether/importer';
import type pg from 'pg';
import { beforeAll, describe, expect, test } from 'vitest';
import { exportPerson, type Manifest } from './archive.ts';
import { categories } from './categories.ts';
import { findPerson, requirePerson, SeveralPersons } from './person.ts';
import { ada, canary, eve, fillHouse, formerAda, number, strangersTalk, talk } from './testing.house.ts';
import { sha256, unzip } from './testing.zip.ts';
import { NotAPerson, readWho } from './who.ts';

let database: TestDatabase;
let privacy: pg.Client;
let superuser: pg.Client;
let sync: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase();
  privacy = await database.connect('privacy_app');
  superuser = await database.connect('postgres');
  sync = await database.connect('sync_app');
  await fillHouse(superuser, sync);
});

const find = (who: string) => findPerson(privacy, readWho(who));
async function exported(who: string, reason?: string) {
  const { zip, over, record } = await exportPerson(privacy, await requirePerson(privacy, readWho(who)), { reason });
  const files = await unzip(await buffer(zip));
  await over;
  return { files, record, manifest: JSON.parse(files.get('manifest.json') as string) as Manifest };
}

describe('find', () => {
  test.each([
    ['an address in any spelling', ' <ADA@person.example> '],
    ['an address that came with a merge', 'a.king@work.example'],
    ['a telephone number', '+49 (30) 1234-567'],
    ['a number that came with a merge', '+49307654321'],
    ['an id', ada],
    ['the id of a customer that was merged into another', formerAda],
    ['a number of another system', 'A-17'],
    ['the number that Foundation gave', '4711'],
    ['a conversation', talk],
  ])('%s leads to the customer', async (_, who) => {
    const { customers, person } = await find(who);
    expect(customers).toMatchObject([{ id: ada, name: 'Ada King' }]);
    expect(person?.customers).toEqual([ada, formerAda]);
  });

  test('every table says how much it holds, and why', async () => {
    const { held } = await find(ada);
    expect(Object.fromEntries(held.map(({ table, rows }) => [table, rows]))).toMatchObject({
      'platform.customers': 2,
      'platform.customer_emails': 2,
      'platform.customer_phones': 2,
      'crm.deals': 1,
      'crm.contacts': 2,
      'crm.activities': 1,
      'support.sessions': 1,
      'support.messages': 2,
      'support.session_entries': 1,
      'support.calls': 1,
      'platform.merges': 2,
      'sync.import_rows': 2,
      'sync.import_keys': 1,
      'sync.import_writes': 2,
      'platform.users': 1,
      'platform.sign_ins': 1,
    });
    expect(held.every(({ why, category }) => why !== '' && categories.some(({ name }) => name === category))).toBe(
      true,
    );
  });

  test('a person who is no customer is found by an address that was typed, and in a line that was refused', async () => {
    const { customers, person, held } = await find('nora@nowhere.example');
    expect(customers).toEqual([]);
    expect(person).toMatchObject({ customers: [], emails: ['nora@nowhere.example'], sessions: [strangersTalk] });
    expect(Object.fromEntries(held.map(({ table, rows }) => [table, rows]))).toEqual({
      'support.sessions': 1,
      'support.messages': 1,
      'sync.import_rows': 1,
      'sync.events': 2,
    });
    // Nor is the conversation alone without its address.
    expect(await find(strangersTalk)).toMatchObject({ customers: [], person, held });
  });

  test('an address of which nothing is held says so', async () => {
    expect(await find('nobody@nowhere.example')).toMatchObject({ customers: [], held: [] });
  });

  test('a number of two customers names both, and neither is exported by it', async () => {
    await superuser.query(`
      insert into platform.customers (email, name, phone, phone_key, created_by_app) values
        ('one@home.example', 'One', '+4930555000', '+4930555000', 'foundation'),
        ('two@home.example', 'Two', '+4930555000', '+4930555000', 'foundation')`);
    const { customers, person } = await find('+4930555000');
    expect([customers.map(({ name }) => name).sort(), person]).toEqual([['One', 'Two'], undefined]);
    await expect(requirePerson(privacy, readWho('+4930555000'))).rejects.toThrow(SeveralPersons);
  });

  test.each(['', '   ', 'ada@', '@', 'two words', 'x'.repeat(400)])('%j names nobody', (who) => {
    expect(() => readWho(who)).toThrow(NotAPerson);
  });
});

describe('the export', () => {
  test('has the files that were sent, whole, also one of several parts; one in Azure is named as left out without the setting, and read with it', async () => {
    const parts = ['a'.repeat(1_048_576), 'the end'];
    const newFile = async (name: string, place: string) => {
      const { rows } = await superuser.query<{ id: string }>(
        `insert into platform.files (app, parent_id, client_id, name, type, size, sha256, place, state)
         values ('support', $1, replace($2, '.', '_'), $2, 'text/plain', 9, sha256('x'), $3, 'stored') returning id`,
        [talk, name, place],
      );
      return (rows[0] as { id: string }).id;
    };
    const [kept, blob] = [await newFile('letter', 'database'), await newFile('offer.txt', 'azure')];
    for (const [place, part] of parts.entries())
      await superuser.query(
        `insert into platform.file_chunks (file_id, place, bytes) values ($1, $2, convert_to($3, 'UTF8'))`,
        [kept, place, part],
      );
    const without = await exported(ada);
    expect(without.files.get(`files/${kept}-letter.txt`)).toBe(parts.join(''));
    expect(without.manifest.files.map(({ path }) => path)).toContain(`files/${kept}-letter.txt`);
    expect(without.manifest.leftOut.join()).toContain('FILES_AZURE_ACCOUNT_URL');
    const read = async function* () {
      yield Buffer.from('from afar');
    };
    const { zip, over } = await exportPerson(privacy, await requirePerson(privacy, readWho(ada)), { blobs: { read } });
    const files = await unzip(await buffer(zip));
    await over;
    expect(files.get(`files/${blob}-offer.txt`)).toBe('from afar');
    expect(files.get('manifest.json')).not.toContain('FILES_AZURE_ACCOUNT_URL');
    await superuser.query('delete from platform.files where id = any ($1)', [[kept, blob]]);
  });

  test('has the e-mails that came, as they came', async () => {
    const { rows } = await superuser.query<{ id: string }>(
      `with mail as (insert into platform.mails (app, record_id, to_address, first_number, last_number, state)
         values ('support', $1, 'ada@person.example', 1, 1, 'sent') returning id)
       insert into platform.received_mails (app, mail_id, key, kind, raw)
       select 'support', id, sha256('x'), 'reply', 'From: ada@person.example'::bytea from mail returning id`,
      [talk],
    );
    const { files } = await exported(ada);
    expect(files.get(`mails/${rows[0]?.id}.eml`)).toBe('From: ada@person.example');
    expect(files.get('data/mails.json')).not.toContain('token');
    await superuser.query('delete from platform.mails');
  });

  test('has a manifest whose sums and counts are those of the files', async () => {
    const { files, manifest } = await exported(ada);
    expect(manifest).toMatchObject({ format: 'aether-person', version: 1, scope: { customers: [ada, formerAda] } });
    expect(manifest.files.map(({ path }) => path)).toEqual(
      [...files.keys()].filter((path) => path !== 'manifest.json'),
    );
    for (const { path, sha256: sum, bytes } of manifest.files)
      expect([path, sum, bytes]).toEqual([
        path,
        sha256(files.get(path) as string),
        Buffer.byteLength(files.get(path) as string),
      ]);
    const counted = Object.fromEntries(manifest.files.map(({ path, rows }) => [path, rows]));
    for (const { table, rows } of manifest.sources)
      expect([table, counted[`csv/${table.replace('.', '_')}.csv`]]).toEqual([table, rows]);
    const talked = JSON.parse(files.get('data/conversations.json') as string);
    expect(talked.tables['support.messages']).toMatchObject([
      { author: 'visitor', body: 'Where is <script>alert(1)</script> my chair?' },
      { author: 'agent', agent_id: 'Jonas Berg', body: 'On its way.' },
    ]);
  });

  test('holds everything of the person, of merged records too, and nothing of anybody else', async () => {
    const { files } = await exported('ada@person.example');
    const text = [...files.values()].join('\n');
    for (const held of [
      'Ada King',
      'a.king@work.example',
      'A. King',
      '+49307654321',
      'Ten chairs',
      'Likes <b>oak',
      'On its way.',
      'A friendly person',
      'Asked for oak',
      '17,Ada@Person.example',
      'Shoe size',
      'Ada at work',
      'Firefox',
      'Chooses the wood',
      'deal.created',
      'deal_contact.created',
    ]) // prettier-ignore
      expect(text).toContain(held);
    for (const [path, content] of files)
      expect([path, content.toLowerCase().includes(canary.toLowerCase())]).toEqual([path, false]);
    for (const other of [eve, 'u-boss', 'u-jonas', 'csrf', 'token_hash']) expect(text).not.toContain(other);
    expect(text).toContain('another record');
  });

  test('shows what people wrote as text on its page, which runs nothing and loads nothing', async () => {
    const page = (await exported(ada)).files.get('index.html') as string;
    expect(page).toContain('Where is &#60;script&#62;alert(1)&#60;/script&#62; my chair?');
    expect(page).not.toMatch(/<script|<img|<link|https?:\/\//);
    expect(page).toContain(`default-src 'none'`);
  });

  test('of a person who is no customer holds what was typed', async () => {
    const { files, manifest } = await exported('nora@nowhere.example');
    expect(manifest.scope).toEqual({ customers: [], conversations: 1 });
    expect(files.get('data/conversations.json')).toContain('Do you ship?');
    expect(files.has('customer.json')).toBe(false);
  });

  test('is an operation and an event before the first byte, with ids and without a name', async () => {
    const person = await requirePerson(privacy, readWho(ada));
    await privacy.query(`select set_config('aether.actor', 'command:tester', false)`);
    const { zip, over, record } = await exportPerson(privacy, person, { reason: 'request 12' });
    const { rows } = await superuser.query(
      'select kind, scope, reason, actor, login from sync.operations where id = $1',
      [record],
    );
    expect(rows).toEqual([
      {
        kind: 'privacy.export',
        scope: { customers: [ada], sessions: 1 },
        reason: 'request 12',
        actor: 'command:tester',
        login: 'privacy_app',
      },
    ]);
    await number(sync);
    const told = await superuser.query(
      `select type, customer, audience, data from sync.events order by position desc limit 1`,
    );
    expect(told.rows).toEqual([{ type: 'customer.exported', customer: ada, audience: 'console', data: { id: ada } }]);
    zip.destroy();
    await over;
    // The connection is free again, outside of the transaction.
    expect((await privacy.query('select platform.record_export($1, null)', [person])).rowCount).toBe(1);
  });

  test('imported into an empty database gives the same customer', async () => {
    const { files } = await exported(ada);
    const other = await createTestDatabase();
    const importer = await other.connect('sync_app');
    const reader = await other.connect('postgres');
    await reader.query(
      `insert into crm.custom_fields (record, key, label, type) values ('customer', 'shoe_size', 'Shoe size', 'text')`,
    );
    const source = await openSource(Buffer.from(files.get('customer.json') as string), { name: 'customer.json' });
    const recognition = await recognise(source);
    expect(recognition.questions).toEqual([]);
    const { run } = await planImport(importer, {
      app: 'foundation',
      sources: [await plannedSource(source, recognition)],
    });
    await applyImport(importer, run);
    const read = async (client: pg.Client) =>
      (
        await client.query(`
          select c.email, c.name, c.phone, c.phone_key, c.account_tier, c.preferred_language, c.timezone, k.name as company, k.domain,
            array(select e.email_key from platform.customer_emails e where e.customer_id = c.id order by 1) as emails,
            array(select p.phone_key from platform.customer_phones p where p.customer_id = c.id order by 1) as phones,
            (select jsonb_object_agg(v.field_key, v.value) from crm.custom_field_values v where v.customer_id = c.id) as custom
          from platform.customers c left join platform.companies k on k.id = c.company_id
          where c.email_key = 'ada@person.example'`)
      ).rows;
    const imported = await read(reader);
    expect(imported).toHaveLength(1);
    expect(imported).toEqual(await read(superuser));
  });

  test('is read from a cursor as it is taken: nobody holds a long conversation whole', async () => {
    const messages = 6_000;
    await superuser.query(
      `insert into support.messages (session_id, number, author, client_id, body)
       select $1, 2 + n, 'visitor', 'many' || n, encode(sha256(int4send(n)), 'hex') || encode(sha256(int4send(-n)), 'hex')
       from generate_series(1, $2) n`,
      [strangersTalk, messages],
    );
    let fetched = 0;
    const counting = new Proxy(privacy, {
      get(client, name) {
        if (name !== 'query') return Reflect.get(client, name);
        return async (text: string, values?: unknown[]) => {
          const result = await client.query(text, values);
          if (text.startsWith('fetch')) fetched += result.rows.length;
          return result;
        };
      },
    });
    const { zip, over } = await exportPerson(counting, await requirePerson(privacy, readWho(strangersTalk)));
    // The reader takes a little and stops; what was read for it is far less than the conversation.
    for await (const chunk of zip) {
      expect((chunk as Buffer).length).toBeGreaterThan(0);
      if (fetched > 0) break;
    }
    await over;
    expect(fetched).toBeGreaterThan(0);
    expect(fetched).toBeLessThan(messages / 2); // what is on its way fills the buffers of the zip: two thousand rows at most so far
  });
});

describe('the inventory', () => {
  test('has no table with something about persons that an export forgets', async () => {
    const { rows } = await superuser.query<{ relation: string }>(`
      select i.relation from platform.inventory_tables i
      where i.belongs is not null and not exists (select from platform.person_sources s where s.relation = i.relation)
      order by 1`);
    // The bytes of files that people sent are files of the zip; those of a file of an import hold other people; keys of matching are hashes of
    // what the export has in words.
    expect(rows.map(({ relation }) => relation)).toEqual([
      'platform.file_chunks',
      'sync.import_chunks',
      'sync.match_keys',
    ]);
  });

  test('every hidden column exists, and is no text of the person but those that name others', async () => {
    const { rows } = await superuser.query<{ hidden: string }>(`
      select s.relation || '.' || h as hidden from platform.person_sources s cross join unnest(s.hidden) h
        left join platform.inventory i on i.relation = s.relation and i.column_name = h
      where i.class is null or i.class <> 'technical' order by 1`);
    expect(rows.map(({ hidden }) => hidden)).toEqual([
      'crm.saved_views.query',
      'platform.merges.evidence',
      'platform.merges.reason',
      'platform.moves.reason',
      'platform.received_mails.raw', // the mail itself is in the folder mails
      'platform.review_candidates.evidence',
      'staging.import_lines.owner',
      'support.saved_views.query',
      'sync.import_candidates.reasons',
      'sync.import_decisions.one',
      'sync.import_decisions.other',
      'sync.import_plan_answers.one',
      'sync.import_plan_answers.other',
      'sync.import_rows.detail',
      'sync.import_rows.owner',
      'sync.import_uploads.recognition',
      'sync.import_uploads.refusal',
      'sync.import_uploads.settings',
    ]);
  });
});

describe('rights', () => {
  test.each(['foundation_app', 'support_app', 'console_app', 'sync_app', 'observer_app', 'simulator_app'] as const)(
    '%s finds and exports nobody',
    async (login) => {
      const client = await database.connect(login);
      for (const call of [
        `platform.find_persons('ada@person.example', null, null)`,
        `platform.gather_person(array['${ada}']::uuid[], '{}', '{}')`,
        `platform.count_held('{}')`,
        `platform.open_held('{}', 'platform.customers')`,
        `platform.record_export('{}', null)`,
      ])
        await expect(client.query(`select ${call}`)).rejects.toMatchObject({ code: '42501' });
    },
  );

  test('the login of privacy reads no table, and opens none that holds nobody', async () => {
    await expect(privacy.query('select from platform.customers')).rejects.toMatchObject({ code: '42501' });
    await expect(privacy.query(`select platform.open_held('{}', 'support.widget_secrets')`)).rejects.toMatchObject({
      code: '22023',
    });
    await expect(privacy.query(`select platform.open_held('{}', 'pg_authid')`)).rejects.toMatchObject({
      code: '22023',
    });
  });
});
