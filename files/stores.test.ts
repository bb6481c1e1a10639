import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createTestDatabase } from '@aether/database/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openBlobs } from './blobs.ts';
import { openFiles } from './files.ts';
import { takeGiven } from './incoming.ts';
import { openDatabaseStore, type Store } from './store.ts';
import { type Emulator, emulatorFile, startEmulator } from './testing.emulator.ts';
import { makeImage, makePhoto } from './testing.ts';

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

describe('completing a file', () => {
  const log = { warn: () => {} };
  const closing = new AbortController();
  afterAll(() => closing.abort());
  const open = (on = db, given: object = {}) =>
    openFiles(on, { variables: given, closing: closing.signal, log } as never);
  async function arrived(bytes: Buffer, name: string) {
    const files = open();
    const { id } = await files.begin(
      owner,
      { client_id: `whole-${++unique}`, name, size: bytes.length },
      async () => {},
    );
    for (let place = 0; place * 1_048_576 < bytes.length; place += 1)
      await files.addPart(owner, id, place, bytes.subarray(place * 1_048_576, (place + 1) * 1_048_576));
    return id;
  }
  const isRead = (text: string) => text.includes('select bytes from platform.file_chunks');
  const watch = (before: (text: string, values: unknown[]) => unknown, after: (text: string) => unknown = () => {}) =>
    ({
      ...db,
      query: async (text: string, values: unknown[]) => {
        await before(text, values);
        const rows = await db.query(text, values);
        await after(text);
        return rows;
      },
    }) as typeof db;

  test('many times at once reads it once, so that it takes the memory of one', async () => {
    const id = await arrived(makeImage('png'), 'a.png');
    let reads = 0;
    const files = open(
      watch((text) => {
        if (isRead(text)) reads += 1;
      }),
    );
    const answers = await Promise.all(Array.from({ length: 30 }, () => files.complete(owner, id)));
    expect([new Set(answers.map((file) => file.id)), reads]).toEqual([new Set([id]), 2]);
  });

  test('many files at once has few of them in memory', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => arrived(makeImage('png'), 'a.png')));
    const held = new Set<unknown>();
    let most = 0;
    const on = watch((text, [id]) => {
      if (isRead(text)) most = Math.max(most, held.add(id).size);
    });
    const files = open(on);
    await Promise.all(ids.map((id) => files.complete(owner, id).finally(() => held.delete(id))));
    expect(most).toBeLessThanOrEqual(6); // counted a little longer than they are held
  });

  test('in two processes gives the same file to both, also if one reads while the other replaces its bytes', async () => {
    const id = await arrived(makePhoto('Oslo'), 'a.jpg');
    let other: unknown;
    const slow = watch(async (text) => {
      if (isRead(text)) other ??= await open().complete(owner, id);
    });
    expect(await open(slow).complete(owner, id)).toEqual(other);
  });

  test.runIf(hasEmulator)(
    'in two processes leaves the whole file in Azure, also if one comes when the parts are gone',
    async () => {
      const bytes = Buffer.alloc(2_500_000, 'words and words\n');
      const id = await arrived(bytes, 'a.txt');
      let other: unknown;
      const slow = watch(
        () => {},
        async (text) => {
          if (text.includes("set place = 'azure'")) other ??= await open(db, variables()).complete(owner, id);
        },
      );
      expect(await open(slow, variables()).complete(owner, id)).toEqual(other);
      expect((await readAll((await openBlobs(variables())) as Store, id)).equals(bytes)).toBe(true);
    },
  );

  test.runIf(hasEmulator)(
    'writes no blob for an upload that was cancelled meanwhile, which nobody would remove after a kill',
    async () => {
      const id = await arrived(makeImage('png'), 'a.png');
      const store = (await openBlobs(variables())) as Store;
      const gone = watch(async (text) => {
        if (text.includes("set place = 'azure'")) await open().cancel(owner, id);
      });
      const dies = { ...gone, transaction: () => Promise.reject(new Error('killed')) } as unknown as typeof db;
      await expect(open(dies, variables()).complete(owner, id)).rejects.toThrow();
      expect((await readAll(store, id)).length).toBe(0);
    },
  );
});

test('a part that has arrived is never replaced, so that what is kept is what was looked at', async () => {
  const closing = new AbortController();
  onTestFinished(() => closing.abort());
  const files = openFiles(db, { variables: {}, closing: closing.signal, log: {} } as never);
  const { id } = await files.begin(owner, { client_id: `part-${++unique}`, name: 'a.txt', size: 5 }, async () => {});
  await files.addPart(owner, id, 0, Buffer.from('words'));
  await files.addPart(owner, id, 0, Buffer.from('words'));
  await expect(files.addPart(owner, id, 0, Buffer.from('other'))).rejects.toMatchObject({ code: 'client-id-reused' });
  await files.complete(owner, id);
  expect((await readAll(openDatabaseStore(db), id)).toString()).toBe('words');
});

test('a file that the account does not take is no fault of the file: it waits with its parts, and is complete as soon as the account takes it', async () => {
  let takes = false;
  const account = createServer((request, answer) => {
    request.resume().on('end', () => answer.writeHead(takes ? 201 : 403).end());
  });
  await new Promise<void>((resolve) => account.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => account.closeAllConnections());
  onTestFinished(() => void account.close());
  const { port } = account.address() as AddressInfo;
  const key = Buffer.from('key').toString('base64');
  const connection = `DefaultEndpointsProtocol=http;AccountName=shop;AccountKey=${key};BlobEndpoint=http://127.0.0.1:${port}/shop;`;
  const closing = new AbortController();
  onTestFinished(() => closing.abort());
  const variables = { FILES_AZURE_CONNECTION_STRING: connection };
  const files = openFiles(db, { variables, closing: closing.signal, log: { warn: () => {} } } as never);
  const given = [{ name: 'a.txt', bytes: Buffer.from('words'), isInText: false }];
  // As a mail has it: nothing is named as refused, and whoever brings the mail tries again.
  await expect(takeGiven(files, owner, given, async () => {})).rejects.toMatchObject({
    status: 503,
    code: 'files-away',
  });
  const { rows: left } = await superuser.query(
    `select from platform.files where name = 'a.txt' and state = 'uploading'`,
  );
  expect(left).toEqual([]);
  const { id } = await files.begin(owner, { client_id: `away-${++unique}`, name: 'a.txt', size: 5 }, async () => {});
  await files.addPart(owner, id, 0, Buffer.from('words'));
  await expect(files.complete(owner, id)).rejects.toMatchObject({ code: 'files-away' });
  takes = true;
  expect(await files.complete(owner, id)).toMatchObject({ name: 'a.txt', size: 5 });
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
