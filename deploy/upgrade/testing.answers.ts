import { atEnd, type TestDatabase } from '@aether/database/testing';
import { requireUnderWay } from '@aether/database/testing.scope';
import { startFoundation } from '@aether/foundation';
import { createLog } from '@aether/http';
import { callerOf } from '@aether/http/testing';
import { createModelReader } from '@aether/importer/similar';
import { connectPlatform } from '@aether/platform';
import { signCalls, startTestIssuer, testTenant } from '@aether/signin/testing';
import { startSupport } from '@aether/support';
import { walkPage } from '@aether/sync/detection';
import { addresses, searches, textSearches } from './testing.filled.ts';
import { withoutMade } from './testing.stored.ts';

/**
 * What both apps, quality and detection find in a database that testing.filled.ts has filled: each answer by what was asked, without the
 * moments and random ids of its making. PostgreSQL is to find it by indexes, however small the tables are.
 */
export async function askEverything(database: TestDatabase): Promise<Record<string, string>> {
  const superuser = await database.connect('postgres');
  for (const login of ['foundation_app', 'support_app'])
    for (const way of ['seqscan', 'indexscan'])
      await superuser.query(`alter role ${login} in database ${database.name} set enable_${way} = off`);
  const answers: Record<string, string> = {};
  const keep = (asked: string, answer: unknown) => {
    answers[asked] = withoutMade(JSON.stringify(answer));
  };

  const issuer = await startTestIssuer();
  const log = createLog('test');
  log.level = 'silent';
  for (const [app, start] of [
    ['foundation', startFoundation],
    ['support', startSupport],
  ] as const) {
    const url = database.url(`${app}_app`);
    const db = await connectPlatform({ app, variables: { PLATFORM_DB_URL: url } });
    for (const who of ['maya', 'priya'])
      await db.signInUser({
        subject: who,
        email: `${who}@example.com`,
        name: who,
        tenantId: testTenant,
        objectId: who,
      });
    const server = await start({ variables: { PLATFORM_DB_URL: url, ...issuer.variables }, port: 0, log });
    atEnd(async () => {
      await server.close();
      await db.close();
    });
    const call = signCalls(issuer, callerOf(server.url)).callAs(app === 'foundation' ? 'maya' : 'priya');
    const ask = async (path: string) => keep(`${app} ${path}`, await call('GET', path));
    // A page of texts ends when its time is over. All pages together are the same on every machine, in the order of time alone.
    const askTexts = async (search: string) => {
      const path = `/api/search/text?order=newest&q=${encodeURIComponent(search)}`;
      const found: unknown[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        requireUnderWay();
        const { status, body } = await call('GET', `${path}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
        if (status !== 200) throw new Error(`${path}: ${JSON.stringify(body)}`);
        found.push(...body.results);
        cursor = body.next_cursor;
      }
      keep(`${app} ${path}`, found);
    };
    const lists =
      app === 'foundation'
        ? ['customers?limit=100&search=', 'companies?limit=100&search=', 'deals?limit=100&search=']
        : ['search?q='];
    await Promise.all(
      lists.map(async (list) => {
        for (const search of searches) await ask(`/api/${list}${encodeURIComponent(search)}`);
      }),
    );
    // Which conversations alone: what an update has added to them, new rows get as they are written.
    if (app === 'support')
      for (const search of searches) {
        const path = `/api/inbox?view=ended&limit=100&search=${encodeURIComponent(search)}`;
        const { status, body } = await call('GET', path);
        keep(`${app} ${path}`, status === 200 ? body.sessions.map(({ id }: { id: string }) => id) : { status, body });
      }
    for (const search of textSearches) await askTexts(search);
    for (const address of addresses) {
      keep(`${app} knows ${address}`, await db.getCustomerByEmail(address));
      if (app === 'support') await ask(`/api/customers/context?email=${encodeURIComponent(address)}`);
    }
  }

  const { rows: findings } = await superuser.query<{ found: string }>(
    'select f::text as found from sync.find_in_customers(array(select id from platform.customers)) f',
  );
  answers.quality = findings
    .map(({ found }) => withoutMade(found))
    .sort()
    .join('\n');

  const worker = await database.connect('sync_app');
  const on = { query: async (text: string, values?: unknown[]) => (await worker.query(text, values)).rows as never };
  while (await walkPage(on, { readModel: createModelReader() })) requireUnderWay();
  const { rows: keys } = await superuser.query('select customer, keys, cut_off from sync.match_keys order by 1');
  const { rows: pairs } = await superuser.query(
    'select customer_id, other_id, reason, score, reasons from platform.review_candidates order by 1, 2',
  );
  keep('keys of matching', keys);
  keep('pairs', pairs);
  return answers;
}
