import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLocal } from '@aether/database';
import { connectPlatform } from '@aether/platform';
import { openTextSearch } from '@aether/support';
import pg from 'pg';
import { median, quantile } from './measure.ts';
import { printTable } from './tables.ts';
import { fillTexts, isFilled } from './text.fill.ts';

/*
 * Measures the search in texts among many messages, as an administrator and as an agent who may read one conversation in twenty: the first page
 * of the best and of the newest, with its marks and records. And what a message costs its writer with the index of texts and without.
 *
 *   npm run bench:text                            200,000 messages of two years
 *   npm run bench:text -- --messages 5000000
 *   npm run bench:text -- --folder /var/tmp/text  keeps the filled database there for the next run
 *   npm run bench:text -- --only search           without the writers, for whom the index is dropped and made again
 */
const { values: options } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    times: { type: 'string', default: '40' },
    folder: { type: 'string' },
    only: { type: 'string' },
  },
});
const messages = Number(options.messages);
const times = Number(options.times);
const goalMs = 100;

/** Only a search that `isEmpty` finds nothing: any other one would be quick because something was not filled. */
const searches: { name: string; q: string; isEmpty?: boolean }[] = [
  { name: 'a word of one in three', q: 'refund' },
  { name: 'the beginning of it', q: 'refu' },
  { name: 'a word of one in fifty', q: 'voucher' },
  { name: 'a word of one in 5,000', q: 'kintsugi' },
  { name: 'a word of one message', q: `unique${Math.floor(messages / 2) - 1}` },
  { name: 'nothing has it', q: 'zzyzx', isEmpty: true },
  { name: 'two frequent words', q: 'refund voucher' },
  { name: 'a frequent and a rare one', q: 'refund kintsugi' },
  { name: 'two that are never together', q: 'refund postcard', isEmpty: true },
  { name: 'a phrase', q: '"my refund please"' },
  { name: 'a phrase that nobody wrote', q: '"please my refund"', isEmpty: true },
  { name: 'without a word', q: 'voucher -refund' },
  { name: 'an identifier: AB-…', q: `AB-${Math.floor(messages / 8) * 4}` },
  { name: 'its digits', q: String(Math.floor(messages / 8) * 4) },
  { name: 'an address with a plus', q: `mary+${Math.floor(messages / 80) * 40}@shop.example` },
  { name: 'Japanese, one in forty', q: '返金' },
  { name: 'Japanese, one in 2,000', q: '金継ぎ' },
  { name: 'one character', q: '金' },
];

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'aether-bench-')));
await mkdir(folder, { recursive: true });
await chmod(folder, 0o755);
const local = await startLocal({
  folder,
  database: 'bench',
  port: 54540,
  settings: { shared_buffers: '2GB', max_wal_size: '8GB', checkpoint_timeout: '1h' },
});
let slow = 0;
let slowest = 0;
let written = 0;
try {
  if (!(await isFilled(local))) await fillTexts(local, messages);
  const db = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: local.urlOf('support_app') } });
  await searchAll(db);
  await db.close();
  if (options.only !== 'search') await writeAll();
} finally {
  await local.server.stop(options.folder ? 'fast' : 'immediate');
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

async function searchAll(db: Awaited<ReturnType<typeof connectPlatform>>): Promise<void> {
  const search = openTextSearch(db);
  const [agent] = await db.query<{ id: string }>(`select id from support.agents where user_id = 'agent1'`);
  const readers = [
    ['an administrator', { agentId: agent?.id ?? null, readsAll: true }],
    ['an agent of one team in twenty', { agentId: agent?.id ?? null, readsAll: false }],
  ] as const;
  for (const [who, reader] of readers) {
    const rows: string[][] = [];
    for (const { name, q, isEmpty = false } of searches)
      for (const order of ['best', 'newest'] as const) {
        const took: number[] = [];
        let first = await search(reader, { q, order, limit: 20 });
        for (let n = 0; n < times; n++) {
          const startedAt = performance.now();
          first = await search(reader, { q, order, limit: 20 });
          took.push(performance.now() - startedAt);
        }
        if (isEmpty && first.results.length > 0) throw new Error(`“${q}” was found.`);
        if (!isEmpty && first.results.length === 0 && first.next_cursor === null && reader.readsAll)
          throw new Error(`“${q}” was not found.`);
        took.sort((a, b) => a - b);
        const p95 = quantile(took, 0.95);
        if (p95 > goalMs) slow++;
        slowest = Math.max(slowest, p95);
        const days = first.searched_to && Math.round((Date.now() - Date.parse(first.searched_to)) / 86_400_000);
        rows.push([
          name,
          order,
          String(first.results.length),
          days === null ? 'to the first' : `${days} days back`,
          quantile(took, 0.5).toFixed(1),
          p95.toFixed(1),
        ]);
      }
    console.log(`\nAs ${who}, among ${messages.toLocaleString('en')} messages\n`);
    console.log(printTable({ columns: ['search', 'order', 'found', 'searched', 'p50 ms', 'p95 ms'], rows }));
  }
  console.log(`\nThe slowest first page (p95): ${slowest.toFixed(1)} ms`);
  console.log(`${slow === 0 ? 'reached' : `MISSED by ${slow}`}: every first page within ${goalMs} ms (p95)`);
}

/** Messages one after another, as Support writes them, and many in one statement: first with the index, then without. */
async function writeAll(): Promise<void> {
  const owner = new pg.Client({ connectionString: local.urlOf('platform_migrator') });
  await owner.connect();
  await owner.query('set role platform_owner; set statement_timeout = 0');
  const writer = new pg.Client({ connectionString: local.urlOf('support_app') });
  for (const client of [owner, writer]) client.on('error', () => {}); // the server stops when the bench fails
  await writer.connect();
  const [{ rows: sizes }, { rows: texts }] = [
    await owner.query<{ index: string; table: string; definition: string }>(
      `select pg_size_pretty(pg_relation_size('support.messages_words')) as index,
         pg_size_pretty(pg_table_size('support.messages')) as table, pg_get_indexdef('support.messages_words'::regclass) as definition`,
    ),
    await owner.query<{ session_id: string; body: string }>(
      'select session_id, body from support.messages order by id desc limit 2000',
    ),
  ];
  console.log(`\nThe table of messages has ${sizes[0]?.table}, the index of their texts ${sizes[0]?.index}.\n`);
  const rows = [['with', ...(await writeTwice(writer, texts))]];
  await owner.query('drop index support.messages_words');
  rows.unshift(['without', ...(await writeTwice(writer, texts))]);
  if (options.folder) await owner.query(sizes[0]?.definition ?? '');
  console.log(printTable({ columns: ['index of texts', 'a message alone, µs', 'a message of a set, µs'], rows }));
  await Promise.all([owner.end(), writer.end()]);
}

/** @returns the medians of the time for a message, in microseconds */
async function writeTwice(writer: pg.Client, texts: { session_id: string; body: string }[]): Promise<string[]> {
  const alone: number[] = [];
  for (const { session_id, body } of texts) {
    const startedAt = performance.now();
    await writer.query(`select (support.add_message($1, 'visitor', null, $2, $3, null, null, false)).outcome`, [
      session_id,
      `bench-${process.pid}-${written++}`,
      body,
    ]);
    alone.push((performance.now() - startedAt) * 1_000);
  }
  const sets: number[] = [];
  for (let n = 0; n < 5; n++) {
    await writer.query('begin');
    const startedAt = performance.now();
    await writer.query(
      `insert into support.messages (session_id, number, author, client_id, body)
       select session_id, 1000000 + n, 'visitor', 'set-' || n, body
       from unnest($1::uuid[], $2::text[]) with ordinality t (session_id, body, n)`,
      [texts.map(({ session_id }) => session_id), texts.map(({ body }) => body)],
    );
    sets.push(((performance.now() - startedAt) * 1_000) / texts.length);
    await writer.query('rollback');
  }
  return [median(alone).toFixed(0), median(sets).toFixed(0)];
}
