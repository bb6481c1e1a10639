import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLocal } from '@aether/database';
import { connectPlatform } from '@aether/platform';
import { startSupport } from '@aether/support';
import { isFilled } from './filled.ts';
import { fillConversations, tenant } from './inbox.fill.ts';
import { startIssuer } from './issuer.ts';
import { quantile } from './measure.ts';
import { printTable } from './tables.ts';

/*
 * Measures Support's lists and reports with many conversations, over HTTP as the console asks for them: as an administrator, who reads all,
 * and as an agent who may read one in twenty.
 *
 *   npm run bench:inbox                              500,000 conversations of two years
 *   npm run bench:inbox -- --conversations 100000
 *   npm run bench:inbox -- --folder /var/tmp/inbox   keeps the filled database there for the next run
 */
const { values: options } = parseArgs({
  options: {
    conversations: { type: 'string', default: '500000' },
    times: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    folder: { type: 'string' },
  },
});
const conversations = Number(options.conversations);

const day = (ago: number) => new Date(Date.now() - ago * 86_400_000).toISOString().slice(0, 10);
const year = `from=${day(365)}&to=${day(1)}`;

/** Only a list that `isEmpty` shows the agent nothing: any other one would be quick because something was not filled. */
type Asked = { name: string; path: string; isEmpty?: boolean };
const lists: Asked[] = [
  { name: 'all that are open', path: 'inbox?view=all' },
  { name: 'mine', path: 'inbox?view=mine' },
  { name: 'of nobody', path: 'inbox?view=unassigned' },
  { name: 'the numbers of the views', path: 'inbox/counts' },
  { name: 'open, what is due first', path: 'inbox?view=all&order=due' },
  { name: 'open, a target missed', path: 'inbox?view=all&due=missed' },
  { name: 'ended', path: 'inbox?view=ended' },
  { name: 'ended, a target missed: one in 1,200', path: 'inbox?view=ended&due=missed' },
  { name: 'ended, high: one in six', path: 'inbox?view=ended&priority=high' },
  { name: 'ended, urgent: one in 3,000', path: 'inbox?view=ended&priority=urgent' },
  { name: 'ended, a tag of one in six', path: 'inbox?view=ended&tag=1' },
  { name: 'ended, a tag of one in 180', path: 'inbox?view=ended&tag=7' },
  { name: 'ended, a rare tag, high', path: 'inbox?view=ended&tag=7&priority=high' },
  { name: 'ended, a frequent name', path: 'inbox?view=ended&search=amara' },
  { name: 'ended, a rare name', path: 'inbox?view=ended&search=visitor4701' },
  { name: 'ended, a name that nobody has', path: 'inbox?view=ended&search=zzyzx', isEmpty: true },
  { name: 'ended, a frequent name and a rare one', path: 'inbox?view=ended&search=visitor%20visitor4701' },
  { name: 'ended, two letters that nobody has', path: 'inbox?view=ended&search=zz', isEmpty: true },
  {
    name: 'ended, Cyrillic that nobody has',
    path: `inbox?view=ended&search=${encodeURIComponent('жанна')}`,
    isEmpty: true,
  },
  { name: 'ended, Han that nobody has', path: `inbox?view=ended&search=${encodeURIComponent('金子')}`, isEmpty: true },
  {
    name: 'ended, an accent that nobody has',
    path: `inbox?view=ended&search=${encodeURIComponent('zöe')}`,
    isEmpty: true,
  },
  { name: 'ended, an address', path: 'inbox?view=ended&search=v47121@example.com' },
  { name: 'the palette: a rare name', path: 'search?q=c4701@' },
  { name: 'the palette: a name that nobody has', path: 'search?q=zzyzx', isEmpty: true },
  { name: 'all, newest first', path: 'sessions' },
  { name: 'behind a report: missed in a year', path: `reports/conversations?outcome=missed&${year}` },
  { name: 'behind a report: the worst score', path: `reports/conversations?score=1&${year}` },
  { name: 'behind a report: Monday at nine', path: `reports/conversations?hour=9&${year}` },
  { name: 'comments of a year', path: `reports/comments?${year}` },
];
const reports: Asked[] = [
  { name: 'a week by day', path: `reports/chats?from=${day(7)}&to=${day(1)}` },
  { name: 'ninety days', path: 'reports/chats' },
  { name: 'a year by month', path: `reports/chats?by=month&${year}` },
  { name: 'a year by month, of one widget', path: `reports/chats?by=month&${year}&widget=WIDGET` },
  { name: 'two years by month', path: `reports/chats?by=month&from=${day(730)}&to=${day(1)}` },
  { name: 'hours of a year', path: `reports/hours?${year}` },
];

const folder = options.folder ?? (await mkdtemp(join(tmpdir(), 'aether-bench-')));
await mkdir(folder, { recursive: true });
await chmod(folder, 0o755);
const local = await startLocal({
  folder,
  database: 'bench',
  port: 54560,
  settings: { shared_buffers: '2GB', max_wal_size: '8GB', checkpoint_timeout: '1h', autovacuum: 'off' },
});
process.env.LOG_LEVEL ??= 'silent';
const issuer = await startIssuer(tenant);
try {
  if (!(await isFilled(local, 'bench', 'support.sessions'))) await fillConversations(local, conversations);
  const url = local.urlOf('support_app');
  const widget = await findWidget(url);
  const server = await startSupport({ variables: { PLATFORM_DB_URL: url, ...issuer.variables }, port: 0 });
  for (const who of ['agent2', 'admin']) {
    const Authorization = `Bearer ${await issuer.tokenFor(who)}`;
    const ask = async ({ path, name, isEmpty = false }: Asked) => {
      const response = await fetch(`${server.url}/api/${path.replace('WIDGET', widget)}`, {
        headers: { Authorization },
      });
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${name}: ${response.status} ${text}`);
      const { sessions, customers = sessions } = JSON.parse(text);
      if (customers && (customers.length === 0) !== isEmpty && who === 'agent2')
        throw new Error(`${name}: ${customers.length} rows`);
    };
    for (const [what, asked] of [
      ['first page of fifty', lists],
      ['report', reports],
    ] as const) {
      const rows: string[][] = [];
      for (const each of asked.filter(({ name }) => name.includes(options.only))) {
        await ask(each);
        const took: number[] = [];
        for (let n = 0; n < Number(options.times); n++) {
          const startedAt = performance.now();
          await ask(each);
          took.push(performance.now() - startedAt);
        }
        took.sort((a, b) => a - b);
        rows.push([each.name, quantile(took, 0.5).toFixed(1), quantile(took, 1).toFixed(1)]);
      }
      console.log(
        `\nAs ${who === 'admin' ? 'an administrator' : 'an agent of one team in twenty'}, among ${conversations.toLocaleString('en')}\n`,
      );
      console.log(printTable({ columns: [what, 'p50 ms', 'slowest ms'], rows }));
    }
  }
  await server.close();
} finally {
  issuer.close();
  await local.server.stop(options.folder ? 'fast' : 'immediate');
  if (!options.folder) await rm(folder, { recursive: true, force: true });
}

/** @returns the id of the widget of agent2 */
async function findWidget(url: string): Promise<string> {
  const db = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: url } });
  const [widget] = await db.query<{ id: string }>(`select id from support.widgets where key = 'bench-widget-2'`);
  await db.close();
  return widget?.id ?? '';
}
