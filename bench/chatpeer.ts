/**
 * A chat that takes an afternoon to write by hand: a message is a row, NOTIFY reports it, and the server passes it on
 * to open streams.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';

const connectionString = process.env.PEER_DB_URL;
const pool = new pg.Pool({ connectionString, max: 10 });
await pool.query(
  `create table messages (id bigint generated always as identity primary key, session_id uuid not null, client_id text not null,
    body text not null, created_at timestamptz not null default now(), unique (session_id, client_id))`,
);
const insert = {
  name: 'insert',
  text: `with written as (insert into messages (session_id, client_id, body) values ($1, $2, $3) returning *)
         select pg_notify('chat', to_jsonb(written)::text) from written`,
};
const streams = new Map<string, ServerResponse>();
const listening = new pg.Client({ connectionString });
await listening.connect();
await listening.query('listen chat');
listening.on('notification', ({ payload = '{}' }) =>
  streams
    .get(JSON.parse(payload).session_id)
    ?.write(`event: message\ndata: ${JSON.stringify(JSON.parse(payload))}\n\n`),
);

const server = createServer(async (asked, answer) => {
  const [, , session = ''] = asked.url?.split('/') ?? [];
  if (asked.method === 'GET') {
    streams.set(session, answer);
    answer.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': open\n\n');
    return;
  }
  let text = '';
  for await (const chunk of asked.setEncoding('utf8')) text += chunk;
  const { client_id, body } = JSON.parse(text);
  await pool.query({ ...insert, values: [session, client_id, body] });
  answer.writeHead(201, { 'Content-Type': 'application/json' }).end('{}');
}).listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
