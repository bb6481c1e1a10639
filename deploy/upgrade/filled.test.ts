import { copyFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { bootstrap, migrate, migrationsFolder } from '@aether/database';
import { createTestDatabase, type TestDatabase } from '@aether/database/testing';
import { newTestFolder } from '@aether/database/testing.folder';
import type pg from 'pg';
import { beforeAll, expect, inject, test } from 'vitest';
import { askEverything } from './testing.answers.ts';
import { base, fill, late } from './testing.filled.ts';
import { findBroken, findMissing, listStored } from './testing.stored.ts';

/*
 * A database that has come all the way, with what each version has written, beside one that this version alone has filled. A migration may
 * change a function of which an index, a rule or a stored column was made: then it makes that again, or what was there gets lost.
 */

let upgraded: TestDatabase;
let fresh: TestDatabase;
let ofUpgraded: pg.Client;
let ofFresh: pg.Client;
beforeAll(async () => {
  upgraded = await createTestDatabase({ template: 'template0' });
  await bootstrap(inject('aetherServer').adminUrl, { database: upgraded.name, passwords: {} });
  ofUpgraded = await upgraded.connect('postgres');
  const folder = await newTestFolder('older');
  try {
    for (const number of [base, late]) {
      await copyMigrations(folder, number);
      await migrate(upgraded.url('platform_migrator'), { folder });
      await fill(ofUpgraded, number);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  await migrate(upgraded.url('platform_migrator'));
  // PostgreSQL puts the bodies of functions into the expression of an index, and an open connection keeps those of before.
  ofUpgraded = await upgraded.connect('postgres');
  fresh = await createTestDatabase();
  ofFresh = await fresh.connect('postgres');
  await fill(ofFresh);
});

async function copyMigrations(folder: string, to: number): Promise<void> {
  for (const file of await readdir(migrationsFolder))
    if (Number(file.slice(0, 4)) <= to) await copyFile(join(migrationsFolder, file), join(folder, file));
}

test('every index leads to each row by what its functions make of it today', async () => {
  expect(await findMissing(ofUpgraded)).toEqual([]);
});

test('every row obeys the rules of today', async () => {
  expect(await findBroken(ofUpgraded)).toEqual([]);
});

test('every table has the rows that this version would have written', async () => {
  expect(await listStored(ofUpgraded)).toEqual(await listStored(ofFresh));
});

test('every search, lookup and look for duplicates answers as on a database that this version has filled', async () => {
  const [found, expected] = [await askEverything(upgraded), await askEverything(fresh)];
  const differing = Object.keys(expected).filter((asked) => found[asked] !== expected[asked]);
  expect(differing.slice(0, 5).map((asked) => [asked, found[asked]])).toEqual(
    differing.slice(0, 5).map((asked) => [asked, expected[asked]]),
  );
  // The same nothing would prove nothing.
  const answers = Object.values(expected);
  expect(answers.filter((answer) => answer.includes('"0190000')).length).toBeGreaterThan(answers.length / 3);
  expect(answers.filter((answer) => /"status":[45]/.test(answer))).toEqual([]);
});
