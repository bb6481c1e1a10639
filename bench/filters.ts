import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type LocalServer, startLocal } from '@aether/database';
import { countCustomers, listCustomers, readConditions, readOrder } from '@aether/foundation';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { fillFilters } from './filters.fill.ts';
import { fillLists } from './lists.fill.ts';
import { quantile } from './measure.ts';

/*
 * Measures the customer list of Foundation filtered and sorted by custom fields, last activity and open deals: the first page with its
 * count, as the screen requests it, and the page behind it.
 *
 *   npm run bench:filters                    200,000 customers, 100,000 deals, 1,000,000 activities
 *   npm run bench:filters -- --folder /var/tmp/filters     keeps the filled database there for the next run
 *   npm run bench:filters -- --only activity
 */
const { values: options } = parseArgs({
  options: {
    customers: { type: 'string', default: '200000' },
    deals: { type: 'string', default: '100000' },
    activities: { type: 'string', default: '1000000' },
    times: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    folder: { type: 'string' },
  },
});
const goalMs = 300;

type Condition = { field: string; op: string; value?: unknown } | { match: 'all' | 'any'; conditions: Condition[] };
type Asked = {
  name: string;
  where?: Condition[];
  match?: 'all' | 'any';
  sort?: string;
  direction?: 'asc' | 'desc';
  isEmpty?: boolean;
};

const employees = (op: string, value?: unknown) => ({ field: 'custom.employees', op, value });
const region = (op: string, value?: unknown) => ({ field: 'custom.region', op, value });
const remark = (op: string, value?: unknown) => ({ field: 'custom.remark', op, value });
const renewal = (op: string, value?: unknown) => ({ field: 'custom.renewal', op, value });
const activity = (op: string, value?: unknown) => ({ field: 'last_activity', op, value });
const deal = (op: string, value?: unknown) => ({ field: 'open_deal', op, value });
const tier = { field: 'tier', op: 'any_of', value: ['premium'] };

const filters: Asked[] = [
  { name: 'a number over: half', where: [employees('over', 500)] },
  { name: 'a number that one in a thousand has', where: [employees('is', 500)] },
  { name: 'a number between: one in a hundred', where: [employees('between', [500, 509])] },
  { name: 'a number under: nobody', where: [employees('under', -1)], isEmpty: true },
  { name: 'without a number', where: [employees('empty')] },
  { name: 'a choice of a fifth', where: [region('any_of', ['North'])] },
  { name: 'a choice of one in two thousand', where: [region('any_of', ['Island'])] },
  { name: 'not that choice', where: [region('none_of', ['North', 'South'])] },
  { name: 'a text that everybody has: “contract”', where: [remark('contains', 'contract')] },
  { name: 'a text of one customer', where: [remark('contains', 'c4ca4238a0b9')] },
  { name: 'a text of nobody', where: [remark('contains', 'zzyzx')], isEmpty: true },
  { name: 'two letters of a text: “ab”', where: [remark('contains', 'ab')] },
  { name: 'a date before', where: [renewal('before', '2026-02-01')] },
  { name: 'a date between, by name', where: [renewal('between', ['2026-03-01', '2026-03-07'])], sort: 'name' },
  { name: 'a mark: yes', where: [{ field: 'custom.reference', op: 'yes' }] },
  { name: 'a mark: no', where: [{ field: 'custom.reference', op: 'no' }] },
  { name: 'no activity for 90 days', where: [activity('none_for', 90)] },
  { name: 'no activity for 90 days, by name', where: [activity('none_for', 90)], sort: 'name' },
  { name: 'no activity for two years', where: [activity('none_for', 729)] },
  { name: 'never an activity', where: [activity('never')] },
  { name: 'an activity within a day', where: [activity('within', 1)] },
  { name: 'the last activity before a day', where: [activity('before', '2026-01-01')] },
  { name: 'with an open deal', where: [deal('some')] },
  { name: 'without an open deal', where: [deal('none')] },
  { name: 'open deals over 1,000', where: [deal('over', 1_000)] },
  { name: 'open deals over 49,900: few', where: [deal('over', 49_900)] },
  { name: 'an open deal in a stage', where: [deal('stage', 'STAGE')] },
  { name: 'an open deal in a stage of few', where: [deal('stage', 'SMALL')] },
  { name: 'a tag of one in twenty', where: [{ field: 'tag', op: 'any_of', value: [1] }] },
  {
    name: 'premium, no activity for 90 days, more than 500',
    where: [tier, activity('none_for', 90), employees('over', 500)],
  },
  { name: 'the same by name', where: [tier, activity('none_for', 90), employees('over', 500)], sort: 'name' },
  {
    name: 'any of: an island, never an activity',
    match: 'any',
    where: [region('any_of', ['Island']), activity('never')],
  },
  { name: 'any of: an island, one number', match: 'any', where: [region('any_of', ['Island']), employees('is', 500)] },
  {
    name: 'any of: a text of one, open deals over 49,900',
    match: 'any',
    where: [remark('contains', 'c4ca4238a0b9'), deal('over', 49_900)],
  },
  {
    name: 'premium, and any of: an island, no activity for 600 days',
    where: [tier, { match: 'any', conditions: [region('any_of', ['Island']), activity('none_for', 600)] }],
  },
  { name: 'everybody by a number', sort: 'custom.employees' },
  { name: 'everybody by a number, downwards', sort: 'custom.employees', direction: 'desc' },
  { name: 'everybody by a text', sort: 'custom.remark' },
  { name: 'everybody by a choice', sort: 'custom.region' },
  { name: 'everybody by a date', sort: 'custom.renewal' },
  { name: 'everybody by a mark that one in twenty has', sort: 'custom.reference' },
  { name: 'everybody by last activity', sort: 'last_activity', direction: 'desc' },
  { name: 'everybody by last activity, the longest ago first', sort: 'last_activity' },
  { name: 'everybody by open deals', sort: 'open_deals', direction: 'desc' },
  { name: 'no activity for 90 days, the longest ago first', where: [activity('none_for', 90)], sort: 'last_activity' },
  {
    name: 'no activity for 90 days, the last first',
    where: [activity('none_for', 90)],
    sort: 'last_activity',
    direction: 'desc',
  },
  { name: 'an open deal, by last activity', where: [deal('some')], sort: 'last_activity', direction: 'desc' },
  { name: 'premium, by open deals', where: [tier], sort: 'open_deals', direction: 'desc' },
  { name: 'an island, by open deals', where: [region('any_of', ['Island'])], sort: 'open_deals', direction: 'desc' },
  { name: 'an island, by a number', where: [region('any_of', ['Island'])], sort: 'custom.employees' },
  { name: 'more than 500, by the same number', where: [employees('over', 500)], sort: 'custom.employees' },
  { name: 'without a number, by it', where: [employees('empty')], sort: 'custom.employees' },
];

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'aether-bench-')));
await mkdir(folder, { recursive: true });
await chmod(folder, 0o755);
let local: LocalServer | undefined;
try {
  local = await startLocal({
    folder,
    database: 'bench',
    port: 54521,
    settings: { shared_buffers: '1GB', max_wal_size: '8GB' },
  });
  const found = await fetchOne(local, `select to_regclass('crm.customer_activity') as found`);
  if (!found) {
    const size = { customers: Number(options.customers), deals: Number(options.deals), entries: 2_000 };
    await fillLists(local, size);
    await fillFilters(local, { activities: Number(options.activities) });
  }
  const db = await connectPlatform({
    app: 'foundation',
    variables: { PLATFORM_DB_URL: local.urlOf('foundation_app') },
  });
  const stages = await db.query<{ id: number; name: string }>(
    `select s.id, p.name from crm.pipeline_stages s join crm.pipelines p on p.id = s.pipeline_id where s.name = 'Demo'`,
  );
  const stageOf = (name: string) => [stages.find((each) => each.name === name)?.id];
  let slow = 0;
  console.log(
    '| list of fifty | first page: p50 ms | with its count: p50 ms | slowest | second page: p50 ms |\n|---|--:|--:|--:|--:|',
  );
  for (const { name, where = [], match = 'all', sort = 'created', direction, isEmpty = false } of filters) {
    if (!name.includes(options.only)) continue;
    const text = JSON.stringify({ match, conditions: where })
      .replace('"STAGE"', JSON.stringify(stageOf('Large')))
      .replace('"SMALL"', JSON.stringify(stageOf('Small')));
    const { first, both, second } = await measure(db, {
      text: where.length > 0 ? text : undefined,
      sort,
      direction: direction ?? (sort === 'created' ? 'desc' : 'asc'),
      isEmpty,
    });
    if (quantile(both, 0.5) > goalMs) slow++;
    const cells = [quantile(first, 0.5), quantile(both, 0.5), both.at(-1) ?? 0, quantile(second, 0.5)];
    console.log(`| ${name} | ${cells.map((ms) => (Number.isNaN(ms) ? '' : ms.toFixed(1))).join(' | ')} |`);
  }
  console.log(`\n${slow === 0 ? 'reached' : `MISSED by ${slow}`}: every first page with its count within ${goalMs} ms`);
  await db.close();
} finally {
  await local?.server.stop(options.folder ? 'fast' : 'immediate');
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

async function fetchOne(server: LocalServer, sql: string): Promise<unknown> {
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: server.server.superuserUrl('bench') });
  await client.connect();
  const { rows } = await client.query(sql);
  await client.end();
  return rows[0].found;
}

/** The sorted times of several tries. A list that has one page only has no times for a second one. */
async function measure(
  db: PlatformDb,
  {
    text,
    sort,
    direction,
    isEmpty,
  }: { text: string | undefined; sort: string; direction: 'asc' | 'desc'; isEmpty: boolean },
): Promise<Record<'first' | 'both' | 'second', number[]>> {
  const times = { first: [] as number[], both: [] as number[], second: [] as number[] };
  for (let n = 0; n < Number(options.times); n++) {
    const startedAt = performance.now();
    const where = text === undefined ? undefined : (await readConditions(db, text)).conditions;
    const list = { filters: { where }, ...(await readOrder(db, sort)), direction, limit: 51 };
    const { customers } = await listCustomers(db, list);
    times.first.push(performance.now() - startedAt);
    if (customers.length > 50) await countCustomers(db, { where }, 1_000);
    times.both.push(performance.now() - startedAt);
    if ((customers.length === 0) !== isEmpty) throw new Error(`There are ${customers.length} rows.`);
    const after = customers[49]?.place;
    if (customers.length < 51 || !after) continue;
    const againAt = performance.now();
    await listCustomers(db, { ...list, after });
    times.second.push(performance.now() - againAt);
  }
  for (const each of Object.values(times)) each.sort((one, other) => one - other);
  return times;
}
