import { setTimeout as wait } from 'node:timers/promises';
import { updateCustomers, writeInChunks } from '@aether/platform/bulk';
import { openConnection, readSettings } from '@aether/platform/log';
import pg from 'pg';

export type Writer = {
  chance: () => number;
  isWriting: () => boolean;
  /** Told of each acknowledged commit. */
  onCommitted: () => void;
  /** Settles when it may go on: a load that nobody keeps up with measures the backlog and nothing else. */
  keepPace?: () => Promise<unknown>;
};

/** Writes one by one as long as it may, through every cut: early transaction ids, savepoints, rollbacks, pauses, and events of its own. */
export async function writeSingly(
  url: string,
  habit: number,
  { chance, isWriting, onCommitted, keepPace = async () => {} }: Writer,
): Promise<void> {
  while (isWriting()) {
    await withClient(url, async (client) => {
      const { rows: customers } = await client.query('select id from platform.customers order by id');
      while (isWriting()) {
        await keepPace();
        await client.query('begin');
        if (habit % 3 === 0) await client.query('select pg_current_xact_id()');
        if (habit % 2 === 0 && chance() < 0.3) await publish(client, `chaos:${habit}`);
        const picked = [
          ...new Set(Array.from({ length: 1 + (habit % 3) }, () => Math.floor(chance() * customers.length))),
        ].sort((a, b) => a - b);
        for (const each of picked) {
          await client.query('savepoint s');
          await client.query('update platform.customers set name = $2 where id = $1', [
            customers[each].id,
            `Chaos ${chance()}`,
          ]);
          if (chance() < 0.1) await client.query('rollback to savepoint s');
        }
        if (habit === 5) await wait(chance() * 50);
        if (chance() < 0.1) await client.query('rollback');
        else {
          await client.query('commit');
          onCommitted();
        }
        await wait(chance() * 5);
      }
    }).catch(() => wait(50)); // cut: the table, not the writer, decides whether the commit happened
  }
}

/** An event of the app, and beside it a row that says that there must be one. One writer has the key, so that its numbers have no gap. */
async function publish(client: pg.Client, key: string): Promise<void> {
  const { rows } = await client.query(
    `insert into support.chaos_published (key, n)
     select $1, coalesce(max(n), 0) + 1 from support.chaos_published where key = $1 returning n`,
    [key],
  );
  await client.query(`select sync.publish('support.chaos_step', $1, jsonb_build_object('n', $2::bigint))`, [
    key,
    rows[0].n,
  ]);
}

/** Changes the customers in bulk, a few at a time, as long as it may. */
export async function writeInBulk(
  url: string,
  { chance, isWriting, onCommitted, keepPace = async () => {} }: Writer,
): Promise<void> {
  const connection = openConnection('sync', {
    ...readSettings({ PLATFORM_DB_URL: url, PLATFORM_DB_POOL_MAX: '1' }),
    searchPath: 'sync,platform',
  });
  while (isWriting()) {
    try {
      await keepPace();
      const customers = await connection.query<{ id: string }>('select id from platform.customers order by id');
      const changes = customers
        .filter(() => chance() < 0.4)
        .map(({ id }) => ({ id, change: { name: `Bulk ${chance()}` } }));
      await writeInChunks(
        connection,
        changes,
        async (tx, chunk) => {
          await updateCustomers(tx, chunk);
          tx.afterCommit(onCommitted);
        },
        { size: 5, restMs: 5 },
      );
    } catch {
      await wait(50); // cut, as above
    }
  }
  await connection.close();
}

/** Asks the same database again and again, on one connection, which is opened again after a cut. */
export function openAsker(url: string): { ask<Row>(text: string): Promise<Row[]>; end(): Promise<void> } {
  let client: pg.Client | undefined;
  const discard = () => {
    client?.end().catch(() => {});
    client = undefined;
  };
  return {
    async ask(text) {
      try {
        if (!client) {
          client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000, query_timeout: 5_000 });
          client.on('error', () => {}); // the query under way reports it
          await client.connect();
        }
        return (await client.query(text)).rows;
      } catch (error) {
        discard();
        throw error;
      }
    },
    async end() {
      discard();
    },
  };
}

export async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3_000 });
  client.on('error', () => {}); // the query under way reports it
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}
