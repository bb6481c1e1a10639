import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createTestDatabase } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBlobs } from './blobs.ts';
import { openFiles } from './files.ts';
import { openDatabaseStore, type Store } from './store.ts';
import { type Emulator, emulatorFile, startEmulator } from './testing.emulator.ts';
import { makeImage } from './testing.ts';

/* The same tests for both stores. The emulator of Azure is 360 MB, so `npm run test:blobs` installs it, and without it its half is left out. */

let db: PlatformDb;
let superuser: Awaited<ReturnType<Awaited<ReturnType<typeof createTestDatabase>>['connect']>>;
let emulator: Emulator | undefined;
const hasEmulator = existsSync(emulatorFile);
beforeAll(async () => {
  const database = await createTestDatabase();
  db = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  superuser = await database.connect('postgres');
  if (hasEmulator) emulator = await startEmulator();
});
afterAll(async () => {
  await db.close();
  await emulator?.stop();
});

const variables = () => (emulator ? { FILES_AZURE_CONNECTION_STRING: emulator.connectionString } : {});
const kinds: [string, () => Promise<Store>][] = [
  ['the database', async () => openDatabaseStore(db)],
  ...(hasEmulator
    ? [['Azure', async () => (await openBlobs(variables())) as Store] as [string, () => Promise<Store>]]
    : []),
];
let unique = 0;
const owner = { parentId: '019a2b3c-4d5e-7f60-8a9b-0c1d2e3f4a5b', createdBy: null };
async function newRow(size = 1): Promise<string> {
  const [row] = await db.query<{ id: string }>(
    `insert into platform.files (parent_id, client_id, name, size) values ($1, $2, 'x', $3) returning id`,
    [owner.parentId, `row-${++unique}`, size],
  );
  return (row as { id: string }).id;
}
async function* inParts(...parts: Uint8Array[]) {
  yield* parts;
}
async function readAll(store: Store, id: string, variant: 'whole' | 'thumbnail' = 'whole'): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of store.read(id, variant)) parts.push(part);
  return Buffer.concat(parts);
}

describe.each(kinds)('%s', (_, open) => {
  test('gives back what it keeps, of any size, and each variant by itself', async () => {
    const [store, id] = [await open(), await newRow()];
    const bytes = Buffer.alloc(3_000_000, 'one and two and three');
    await store.keep(id, 'whole', inParts(bytes.subarray(0, 2_500_000), bytes.subarray(2_500_000)));
    await store.keep(id, 'thumbnail', inParts(Buffer.from('small')));
    expect((await readAll(store, id)).equals(bytes)).toBe(true);
    expect((await readAll(store, id, 'thumbnail')).toString()).toBe('small');
  });

  test('keeps later bytes in place of earlier ones, also if they are fewer', async () => {
    const [store, id] = [await open(), await newRow()];
    await store.keep(id, 'whole', inParts(Buffer.alloc(2_500_000, 'x')));
    await store.keep(id, 'whole', inParts(Buffer.from('less')));
    expect((await readAll(store, id)).toString()).toBe('less');
  });

  test('has nothing of a file that is removed, and removing it twice does no harm', async () => {
    const [store, id] = [await open(), await newRow()];
    await store.keep(id, 'whole', inParts(Buffer.from('words')));
    await store.remove(id);
    await store.remove(id);
    expect((await readAll(store, id)).length).toBe(0);
  });
});

describe.runIf(hasEmulator)('files that are kept in Azure', () => {
  const closing = new AbortController();
  const warned: string[] = [];
  const log = { warn: (...words: unknown[]) => warned.push(words.join(' ')) };
  const open = (given = variables()) => openFiles(db, { variables: given, closing: closing.signal, log } as never);
  const image = makeImage('png');
  async function stored() {
    const files = open();
    const begun = await files.begin(
      owner,
      { client_id: `file-${++unique}`, name: 'a.png', size: image.length },
      async () => {},
    );
    await files.addPart(owner, begun.id, 0, image);
    await files.complete(owner, begun.id);
    return { files, id: begun.id, store: (await openBlobs(variables())) as Store };
  }

  test('leave no byte in the database, and are given out', async () => {
    const { files, id } = await stored();
    const { rows } = await superuser.query('select from platform.file_chunks where file_id = $1', [id]);
    expect(rows).toEqual([]);
    const parts: Uint8Array[] = [];
    for await (const part of await files.read(await files.find(id), 'whole')) parts.push(part);
    expect(Buffer.concat(parts).equals(image)).toBe(true);
  });

  test('are gone after their row is, also if the process that removed the row died before the blob', async () => {
    const { id, store } = await stored();
    await superuser.query('delete from platform.files where id = $1', [id]);
    expect((await readAll(store, id)).length).toBeGreaterThan(0);
    await open().sweep(); // another process
    expect((await readAll(store, id)).length).toBe(0);
    // It is repeated until nobody can be writing the blob any more.
    const waits = () => superuser.query('select from platform.blob_removals where file_id = $1', [id]);
    expect((await waits()).rows).toHaveLength(1);
    await superuser.query(`update platform.blob_removals set removed_at = now() - interval '3 minutes'`);
    await open().sweep();
    expect((await waits()).rows).toEqual([]);
  });

  test('are written down before the first blob, so that a kill in the middle leaves none behind', async () => {
    const { id } = await stored();
    await superuser.query(
      `update platform.files set state = 'uploading', created_at = now() - interval '2 days' where id = $1`,
      [id],
    );
    const store = (await openBlobs(variables())) as Store;
    await open().sweep();
    await open().sweep();
    expect((await readAll(store, id)).length).toBe(0);
  });

  test('wait, and say so, where a process has no setting for them', async () => {
    const { id } = await stored();
    await superuser.query('delete from platform.files where id = $1', [id]);
    await open({}).sweep();
    expect(warned.join()).toContain('FILES_AZURE_ACCOUNT_URL');
    const { rows } = await superuser.query('select from platform.blob_removals where file_id = $1', [id]);
    expect(rows).toHaveLength(1);
  });
});

test('the library of Azure is loaded only where a setting names an account', async () => {
  const sources = await Promise.all(
    ['blobs', 'store', 'files', 'index', 'routes'].map((name) =>
      readFile(new URL(`./${name}.ts`, import.meta.url), 'utf8'),
    ),
  );
  expect(sources.filter((source) => /from '(?:@azure|\.\/azure)/.test(source))).toEqual([]);
  expect(await openBlobs({})).toBeUndefined();
});
