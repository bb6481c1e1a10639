import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Blobs } from '@aether/files/blobs';
import { nameDownload } from '@aether/files/names';
import { toCsvLine } from '@aether/http';
import type pg from 'pg';
import { type Category, categories } from './categories.ts';
import { writePage } from './page.ts';
import { countHeld, type Held, type Person } from './person.ts';
import type { Row } from './redaction.ts';
import { type Piece, type ReadRows, rowsOfPerson } from './rows.ts';

/*
 * One zip with everything that is held about a person, written as it is read: a cursor in the database gives so many rows, and the next
 * when the reader has taken them, so that neither the server nor the command ever holds a person whole. Nothing is stored.
 *
 *   index.html       a page that the person can read, without a network
 *   data/….json      every row of a category, by table
 *   csv/….csv        the same rows, a file for each table
 *   files/…          the files themselves: those of chats and of entries in the timeline
 *   mails/….eml      the e-mails that came, as they came
 *   customer.json    the customer as `aether import` and other systems read it
 *   manifest.json    what this is, from where, and the sums of the files; the last file, because it counts the others
 *
 * All rows are of one moment: the files are read in one transaction that sees one state.
 */

export const exportVersion = 1;

export type ExportFile = { path: string; sha256: string; bytes: number; rows: number };

export type Manifest = {
  format: 'aether-person';
  version: number;
  madeAt: string;
  /** The number of the record of this export (sync.operations). */
  record: number;
  scope: { customers: string[]; conversations: number };
  sources: { table: string; category: string; why: string; rows: number }[];
  /** What is not in the files, and why. */
  leftOut: string[];
  files: ExportFile[];
};

const leftOut = [
  'Names, addresses and ids of other people: an agent is named as the chat named them, other staff is "staff", another customer is "another record".',
  'Secrets: tokens and keys. They tell nothing of a person.',
  'What compares the person with other records: the evidence of a proposed merge.',
  'The reasons that staff typed for a merge or a move, because they may name others.',
  'The bytes of files that wait to be imported: they hold other people too. The lines about the person are here.',
  'Backups: they are read only to restore the whole database, and expire.',
];

const blobsLeftOut =
  'Files that are kept in Azure: this process has neither FILES_AZURE_ACCOUNT_URL nor FILES_AZURE_CONNECTION_STRING. Export again where it is set.';

export type PersonExport = {
  /** The number of the record that the export has left. */
  record: number;
  /** The zip. An error destroys it, so that a cut file never looks whole. */
  zip: Readable;
  /** Settles when the zip has ended or was given up; the connection is free again. */
  over: Promise<void>;
};

/**
 * Begins the export of a person: it is recorded first, with ids and never names.
 *
 * @param client as privacy_app, in no transaction; it must do nothing else until `over`.
 * @param reason kept with the record: a number of a request, and no name.
 * @param blobs where files are that are kept in Azure; without it they are named among what is left out.
 */
export async function exportPerson(
  client: pg.ClientBase,
  person: Person,
  {
    reason = null,
    madeAt = new Date(),
    blobs,
  }: { reason?: string | null; madeAt?: Date; blobs?: Blobs | undefined } = {},
): Promise<PersonExport> {
  const { rows } = await client.query('select platform.record_export($1, $2)::float8 as record', [person, reason]);
  const record: number = rows[0].record;
  await client.query('begin isolation level repeatable read');
  try {
    return { record, ...(await writeZip(client, person, { record, madeAt, blobs })) };
  } catch (error) {
    await client.query('rollback').catch(() => {}); // the first error is the one to tell
    throw error;
  }
}

/** Begins the zip in the present transaction, which ends with it. */
async function writeZip(
  client: pg.ClientBase,
  person: Person,
  { record, madeAt, blobs }: { record: number; madeAt: Date; blobs: Blobs | undefined },
): Promise<Omit<PersonExport, 'record'>> {
  const sources = await countHeld(client, person);
  const held = await listFiles(client, person);
  const mails = await listMails(client, person);
  const given = held.filter(({ place }) => place === 'database' || blobs);
  const left = given.length < held.length ? [...leftOut, blobsLeftOut] : leftOut;
  const read = await rowsOfPerson(client, person);
  const files: ExportFile[] = [];
  const { ZipFile } = await import('yazl');
  const zip = new ZipFile();
  const output = zip.outputStream as Readable;
  let current: Readable | undefined;
  const fail = (error: unknown) => void output.destroy(error as Error);
  zip.on('error', fail);

  const add = (path: string, write: () => AsyncGenerator<Piece>) =>
    zip.addReadStreamLazy(path, { mtime: madeAt }, (ready) => {
      const file = Readable.from(measured(path, write(), files), { objectMode: false });
      file.on('error', fail);
      current = file;
      ready(null, file);
    });
  for (const category of categories) {
    const tables = sources.filter((source) => source.category === category.name);
    if (tables.length > 0) add(`data/${category.name}.json`, () => writeJson(category, tables, read));
  }
  for (const { table } of sources) add(`csv/${table.replace('.', '_')}.csv`, () => writeCsv(table, read));
  if (person.customers.length > 0) add('customer.json', () => writePortable(client, person));
  for (const file of given)
    add(`files/${file.id}-${nameDownload(file.name, file.type)}`, () => writeFile(client, file, blobs));
  for (const id of mails) add(`mails/${id}.eml`, () => writeMail(client, id));
  add('index.html', () => writePage({ madeAt, sources, read, leftOut: left }));
  const manifest = (): Manifest => ({
    format: 'aether-person',
    version: exportVersion,
    madeAt: madeAt.toISOString(),
    record,
    scope: { customers: person.customers, conversations: person.sessions.length },
    sources,
    leftOut: left,
    files: [...files],
  });
  add('manifest.json', async function* () {
    yield { text: `${JSON.stringify(manifest(), null, 2)}\n`, rows: 0 };
  });
  zip.end();

  const over = new Promise<void>((resolve) => {
    output.once('close', () => {
      current?.destroy();
      resolve();
    });
  }).then(() => client.query('rollback').then(() => undefined));
  over.catch(() => {}); // whoever waits for it hears of it
  return { zip: output, over };
}

async function* measured(path: string, pieces: AsyncGenerator<Piece>, files: ExportFile[]): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const file: ExportFile = { path, sha256: '', bytes: 0, rows: 0 };
  for await (const { text, rows } of pieces) {
    const bytes = Buffer.from(text);
    hash.update(bytes);
    file.bytes += bytes.length;
    file.rows += rows;
    yield bytes;
  }
  file.sha256 = hash.digest('hex');
  files.push(file);
}

async function* writeJson({ name, title }: Category, tables: Held[], read: ReadRows): AsyncGenerator<Piece> {
  yield { text: `{"category":${JSON.stringify(name)},"title":${JSON.stringify(title)},"tables":{`, rows: 0 };
  let isFirstTable = true;
  for (const { table } of tables) {
    yield { text: `${isFirstTable ? '\n' : ',\n'}${JSON.stringify(table)}:[`, rows: 0 };
    isFirstTable = false;
    let isFirst = true;
    for await (const rows of read(table)) {
      const lines = rows.map((row) => JSON.stringify(row)).join(',\n');
      yield { text: `${isFirst ? '\n' : ',\n'}${lines}`, rows: rows.length };
      isFirst = false;
    }
    yield { text: ']', rows: 0 };
  }
  yield { text: '}}\n', rows: 0 };
}

async function* writeCsv(table: string, read: ReadRows): AsyncGenerator<Piece> {
  let columns: string[] | undefined;
  for await (const rows of read(table)) {
    // The mark tells spreadsheets that the file is in UTF-8.
    const head = columns ? '' : `\ufeff${toCsvLine(Object.keys(rows[0] as Row))}`;
    columns ??= Object.keys(rows[0] as Row);
    const names = columns;
    yield {
      text: head + rows.map((row) => toCsvLine(names.map((name) => row[name]))).join(''),
      rows: rows.length,
    };
  }
}

type HeldFile = { id: string; name: string; type: string; place: 'database' | 'azure' };

async function listFiles(client: pg.ClientBase, person: Person): Promise<HeldFile[]> {
  const { rows } = await client.query<HeldFile>(
    'select file as id, name, type, place from platform.list_held_files($1)',
    [person],
  );
  return rows;
}

/** The bytes of a file, a part at a time. */
async function* writeFile(
  client: pg.ClientBase,
  { id, place }: HeldFile,
  blobs: Blobs | undefined,
): AsyncGenerator<Piece> {
  if (place === 'azure') {
    for await (const text of blobs?.read(id, 'whole') ?? []) yield { text, rows: 0 };
    return;
  }
  for (let at = 0; ; at += 1) {
    const { rows } = await client.query<{ bytes: Buffer | null }>('select platform.read_file_part($1, $2) as bytes', [
      id,
      at,
    ]);
    const bytes = rows[0]?.bytes;
    if (!bytes) return;
    yield { text: bytes, rows: 0 };
  }
}

async function listMails(client: pg.ClientBase, person: Person): Promise<string[]> {
  const { rows } = await client.query<{ mail: string }>('select mail from platform.list_held_mails($1) mail', [person]);
  return rows.map(({ mail }) => mail);
}

async function* writeMail(client: pg.ClientBase, id: string): AsyncGenerator<Piece> {
  const { rows } = await client.query<{ raw: Buffer | null }>('select platform.read_mail($1) as raw', [id]);
  yield { text: rows[0]?.raw ?? '', rows: 0 };
}

async function* writePortable(client: pg.ClientBase, person: Person): AsyncGenerator<Piece> {
  const { rows } = await client.query('select platform.portable_customers($1) as customer', [person]);
  yield {
    text: `${JSON.stringify(
      rows.map(({ customer }) => customer),
      null,
      2,
    )}\n`,
    rows: rows.length,
  };
}
