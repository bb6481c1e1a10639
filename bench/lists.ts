import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalServer, startLocal } from '@aether/database';
import {
  type CustomerFilters,
  type CustomerList,
  countCustomers,
  type DealList,
  listCustomers,
  listDeals,
  readBoard,
  readTimeline,
} from '@aether/foundation';
import { connectPlatform, type ListPlace } from '@aether/platform';
import { isFilled } from './filled.ts';
import { fillLists, fillSettings } from './lists.fill.ts';
import { quantile } from './measure.ts';

/*
 * Measures the lists of Foundation with many customers and deals: the first page with its count, as the screen requests
 * it, and a page far down; the palette; boards; and a page of a timeline with very many entries.
 *
 *   npm run bench:lists                      2,000,000 customers, 100,000 deals, 100,000 entries
 *   npm run bench:lists -- --customers 200000
 *   npm run bench:lists -- --folder /var/tmp/lists     keeps the filled database there for the next run
 *   npm run bench:lists -- --folder /var/tmp/lists --fill     only fills it
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '2000000' },
    deals: { type: 'string', default: '100000' },
    entries: { type: 'string', default: '100000' },
    times: { type: 'string', default: '9' },
    folder: { type: 'string' },
    fill: { type: 'boolean', default: false },
  },
});
const customersCount = Number(options.customers);
const dealsCount = Number(options.deals);
const entriesCount = Number(options.entries);
const goalMs = 100;
const dealsGoalMs = 60;

/** Only a list that `isEmpty` shows nobody: any other one would be quick because something was not filled. */
type Asked = { name: string; filters?: CustomerFilters; sort?: CustomerList['sort']; isEmpty?: boolean };
const lists: Asked[] = [
  { name: 'everybody, newest first' },
  { name: 'everybody by name', sort: 'name' },
  { name: 'everybody by address', sort: 'email' },
  { name: 'everybody by tier', sort: 'tier' },
  { name: 'everybody by last change', sort: 'updated' },
  { name: 'everybody by company', sort: 'company' },
  { name: 'a rare word: “lindqvist77”', filters: { search: 'lindqvist77' } },
  { name: 'a word of one in fifty: “amara”', filters: { search: 'amara' } },
  { name: 'the same by name', filters: { search: 'amara' }, sort: 'name' },
  { name: 'the last first name: “zuzana”, by name', filters: { search: 'zuzana' }, sort: 'name' },
  { name: 'the last letter: “z”, by name', filters: { search: 'z' }, sort: 'name' },
  { name: 'a first name, by address', filters: { search: 'amara' }, sort: 'email' },
  { name: 'a first name and a word that everybody has, by name', filters: { search: 'amara example' }, sort: 'name' },
  { name: 'a word that everybody has: “example”', filters: { search: 'example' } },
  { name: 'the same by name', filters: { search: 'example' }, sort: 'name' },
  { name: 'one letter: “a”', filters: { search: 'a' } },
  { name: 'two letters: “am”', filters: { search: 'am' } },
  { name: 'three letters: “ama”', filters: { search: 'ama' } },
  { name: 'a name: “amara lindqvist77”', filters: { search: 'amara lindqvist77' } },
  { name: 'a company: “company 4711”', filters: { search: 'company 4711' } },
  { name: 'an address', filters: { search: 'amara.lindqvist77.38500@company18500.example' } },
  { name: 'nobody: “zzyzx”', filters: { search: 'zzyzx' }, isEmpty: true },
  { name: 'premium, by name', filters: { tier: 'premium' }, sort: 'name' },
  { name: 'of one manager', filters: { manager: 'manager7' } },
  { name: 'the same by name', filters: { manager: 'manager7' }, sort: 'name' },
  { name: 'the same by address', filters: { manager: 'manager7' }, sort: 'email' },
  { name: 'of one manager, premium, by name', filters: { manager: 'manager7', tier: 'premium' }, sort: 'name' },
  { name: 'of a tier that nobody has', filters: { tier: 'rare' }, isEmpty: true },
  { name: 'made by the app that made none, by name', filters: { app: 'support' }, sort: 'name', isEmpty: true },
  { name: 'a word that everybody has, by company', filters: { search: 'example' }, sort: 'company' },
  { name: 'nobody, by company', filters: { search: 'zzyzx' }, sort: 'company', isEmpty: true },
  { name: 'without a manager, by name', filters: { no_manager: true }, sort: 'name' },
];

const deals: { name: string; filters?: DealList['filters']; sort?: DealList['sort'] }[] = [
  { name: 'newest first' },
  { name: 'by name', sort: 'name' },
  { name: 'by amount', sort: 'amount' },
  { name: 'by expected day', sort: 'close' },
  { name: 'by last change', sort: 'updated' },
  { name: 'of one owner, by amount', filters: { owner: 'manager7' }, sort: 'amount' },
  { name: 'won', filters: { status: 'won' } },
  { name: 'a word of one in five: “renewal”', filters: { search: 'renewal' } },
  { name: 'a customer: “lindqvist77”', filters: { search: 'lindqvist77' } },
  { name: 'both: “renewal lindqvist77”', filters: { search: 'renewal lindqvist77' } },
  { name: 'nobody: “zzyzx”', filters: { search: 'zzyzx' } },
];

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'aether-bench-')));
await mkdir(folder, { recursive: true });
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54520,
    settings: { shared_buffers: '2GB', max_wal_size: '4GB', ...fillSettings },
  });
  if (!(await isFilled(local, 'bench', 'crm.deals')))
    await fillLists(local, { customers: customersCount, deals: dealsCount, entries: entriesCount }, (line) =>
      console.error(line),
    );
  if (!options.fill) await measureLists(local);
} finally {
  await local?.server.stop(options.folder ? 'fast' : 'immediate');
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

async function measureLists(server: LocalServer): Promise<void> {
  const db = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: server.urlOf('foundation_app') },
  });
  console.log(
    `${customersCount.toLocaleString('en')} customers\n\n| list of fifty | first page with its count: p50 ms | slowest ms |\n|---|--:|--:|`,
  );
  let slow = 0;
  const report = (name: string, { p50, max }: { p50: number; max: number }, goal = goalMs) => {
    if (p50 > goal) slow++;
    console.log(`| ${name} | ${p50.toFixed(1)} | ${max.toFixed(1)} |`);
  };
  const directionOf = (sort: string) => (sort === 'created' || sort === 'updated' ? 'desc' : 'asc');
  for (const { name, filters = {}, sort = 'created', isEmpty = false } of lists) {
    const both = await time(async () => {
      const found = await listCustomers(db, { filters, sort, direction: directionOf(sort), limit: 51 });
      if ((found.customers.length === 0) !== isEmpty)
        throw new Error(`The list “${name}” has ${found.customers.length} rows.`);
      if (!found.isFrequent && found.customers.length > 50) await countCustomers(db, filters, 1_000);
    });
    report(name, both);
  }
  const [one] = await db.query<{ id: string; name: string }>(
    'select id, name from platform.customers order by name offset 100000 limit 1',
  );
  const far = await time(() =>
    listCustomers(db, { filters: {}, sort: 'name', direction: 'asc', after: one && [one.name, one.id], limit: 51 }),
  );
  report('everybody by name, behind 100,000', far);

  console.log(
    `\n${dealsCount.toLocaleString('en')} deals\n\n| fifty deals, or a board | p50 ms | slowest ms |\n|---|--:|--:|`,
  );
  for (const { name, filters = {}, sort = 'created' } of deals) {
    const list = { filters, sort, direction: directionOf(sort) } as const;
    report(name, await time(() => listDeals(db, { ...list, limit: 51 })), dealsGoalMs);
    if (filters.search)
      report(`${name}, in the palette`, await time(() => listDeals(db, { ...list, limit: 5 })), dealsGoalMs);
  }
  for (const [name, goal] of [
    ['Small', 15],
    ['Large', dealsGoalMs],
  ] as const) {
    const [pipeline] = await db.query<{ id: number; deals: number }>(
      `select p.id, (select count(*)::integer from crm.deals d where d.pipeline_id = p.id) as deals from crm.pipelines p where p.name = $1`,
      [name],
    );
    if (!pipeline) continue;
    const board = await time(() => readBoard(db, pipeline.id, { perStage: 101 }));
    report(`a board of ${pipeline.deals.toLocaleString('en')}`, board, goal);
  }

  const [{ id: busy } = { id: '' }] = await db.query<{ id: string }>(
    `select customer_id as id from crm.activities limit 1`,
  );
  const first = await time(() => readTimeline(db, busy, { filters: {}, limit: 41 }));
  const [middle] = await db.query<{ place: ListPlace }>(
    `select array[(occurred_at at time zone 'UTC')::text, id::text] as place from crm.activities where customer_id = $1
     order by occurred_at desc, id desc offset ${Math.round(entriesCount * 0.4)} limit 1`,
    [busy],
  );
  const deep = await time(() => readTimeline(db, busy, { filters: {}, after: middle?.place, limit: 41 }));
  console.log(
    `\nTimeline of ${entriesCount.toLocaleString('en')} entries: first page ${first.p50.toFixed(1)} ms, a page in the middle ${deep.p50.toFixed(1)} ms.`,
  );
  console.log(
    `\n${slow === 0 ? 'reached' : `MISSED by ${slow}`}: every first page within ${goalMs} ms, of deals within ${dealsGoalMs} ms`,
  );
  await db.close();
}

async function time(ask: () => Promise<unknown>): Promise<{ p50: number; max: number }> {
  const took: number[] = [];
  for (let n = 0; n < Number(options.times); n++) {
    const startedAt = performance.now();
    await ask();
    took.push(performance.now() - startedAt);
  }
  took.sort((a, b) => a - b);
  return { p50: quantile(took, 0.5), max: took.at(-1) ?? Number.NaN };
}
