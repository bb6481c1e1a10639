#!/bin/sh
# Guess: a named queue of Graphile Worker, which runs its jobs one after the other, keeps the later ones back while a failed one waits for its retry.
# Behaviour of graphile-worker 0.18.0: the next job of the queue runs at once, and the failed one after it. Only two at the same time are kept apart.
# Used for: events that are parked behind a failed one of their customer (docs/events.md), and what bench/events.ts compares with.
#
# Needs npm and Node 22.15 or newer. PostgreSQL runs inside of Node.
# Output seen: "ran: 1 2" and "left: 1", where 1 fails the first time.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" graphile-worker@0.18.0 @electric-sql/pglite@0.4.0
cat > look.mjs <<'JS'
import { EventEmitter } from 'node:events';
import { PGlite } from '@electric-sql/pglite';
import { Logger, makeWorkerUtils, runOnce } from 'graphile-worker';
const lite = new PGlite();
/** A pool of node-postgres, as far as the worker asks for one. */
class Pool extends EventEmitter {
  options = { max: 10 };
  async query(statement, values = statement.values) {
    const text = statement.text ?? statement;
    const last = values?.length ? await lite.query(text, values) : (await lite.exec(text)).at(-1);
    return { rows: last?.rows ?? [], rowCount: last?.rows.length || last?.affectedRows || 0 };
  }
  connect = async () => Object.assign(new EventEmitter(), { query: (...args) => this.query(...args), release() {} });
}
const pgPool = new Pool().on('error', () => {}).on('connect', () => {});
const logger = new Logger(() => () => {});
const utils = await makeWorkerUtils({ pgPool, logger });
await utils.migrate();
for (const n of [1, 2]) await utils.addJob('work', { n }, { queueName: 'ada' });
const ran = [];
const work = async ({ n }) => {
  ran.push(n);
  if (n === 1) throw new Error('not yet');
};
await runOnce({ pgPool, logger, noHandleSignals: true, taskList: { work } });
const { rows } = await lite.query(`select count(*)::int as left from graphile_worker._private_jobs`);
console.log(`ran: ${ran.join(' ')}`);
console.log(`left: ${rows[0].left}`);
process.exit(ran.join() === '1,2' && rows[0].left === 1 ? 0 : 1);
JS
node look.mjs
