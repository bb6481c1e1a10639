import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { beforeAll, expect, test } from 'vitest';
import { aetherHere, newHome } from './testing.ts';

let home: string;
let database: TestDatabase;
beforeAll(async () => {
  home = await newHome();
  database = await createTestDatabase();
  const foundation = await database.connect('foundation_app');
  await foundation.query(`
    insert into platform.customers (email, name, phone, phone_key) values
      ('ada@cli.example', 'Ada King', '+49301234567', '+49301234567'), ('ben@cli.example', 'Ben', '+49301234567', '+49301234567')`);
});

const run = (...args: string[]) =>
  aetherHere(home, ['privacy', ...args], { PRIVACY_APP_URL: database.url('privacy_app') });

test('aether privacy find says what is held where and why, and asks which of two customers is meant', async () => {
  const found = await run('find', 'ADA@cli.example');
  expect(found, found.output).toMatchObject({ code: 0 });
  expect(found.output).toMatch(/^Customer [0-9a-f-]{36}: Ada King, ada@cli\.example\n/);
  expect(found.output).toMatch(/platform\.customer_emails +1 +Addresses and numbers +Addresses by which/);
  const [record] = (await run('find', 'ada@cli.example', '--json')).records();
  expect(record).toMatchObject({ customers: [{ name: 'Ada King' }], person: { emails: ['ada@cli.example'] } });

  const both = await run('find', '+49 30 1234567');
  expect(both).toMatchObject({ code: 1 });
  expect(both.output).toContain('2 customers are meant. Ask again with the id of one:');
  expect(await run('find', 'nobody@cli.example')).toMatchObject({
    code: 0,
    output: 'No customer.\nNothing is held.\n',
  });
  expect(await run('find', 'two words')).toMatchObject({ code: 1 });
});

test('aether privacy export writes a zip that only its owner may read, and overwrites nothing', async () => {
  const out = join(home, 'ada.zip');
  const written = await run('export', 'ada@cli.example', '--out', out);
  expect(written, written.output).toMatchObject({ code: 0 });
  expect(written.output).toMatch(/^Written to .*ada\.zip\. The export is operation \d+ of the log\.\n$/);
  expect((await readFile(out)).subarray(0, 4).toString('latin1')).toBe('PK\x03\x04');
  expect((await stat(out)).mode & 0o777).toBe(0o600);

  await writeFile(join(home, 'mine.zip'), 'mine');
  const refused = await run('export', 'ada@cli.example', '--out', join(home, 'mine.zip'));
  expect(refused).toMatchObject({ code: 1 });
  expect(refused.output).toContain('mine.zip is there already');
  expect(await readFile(join(home, 'mine.zip'), 'utf8')).toBe('mine');
  expect(await run('export', '+49301234567', '--out', join(home, 'two.zip'))).toMatchObject({ code: 1 });
  await expect(stat(join(home, 'two.zip'))).rejects.toThrow('ENOENT');
});
