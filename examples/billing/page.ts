import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type pg from 'pg';
import { type Copied, copiedColumns } from './copy.ts';

/** A customer as billing knows it, and what billing did when its tier changed. */
export type Shown = {
  customer: Copied;
  /** Customers that were merged into it. */
  merged: string[];
  changes: { from: string | null; to: string | null; changed_at: Date; arrived_at: Date; lag_ms: number }[];
};

export type Page = { url: string; close(): Promise<void> };

/** Looks a customer up by id or by address. A merged one leads to the customer that goes on. */
export async function findCustomer(pool: pg.Pool, asked: string): Promise<Shown | undefined> {
  const isId = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(asked);
  const { rows } = await pool.query<Copied>(
    `select ${copiedColumns} from billing.customers where id in (
       select coalesce(merged_into, id) from billing.customers where ${isId ? 'id = $1' : 'lower(email) = lower($1)'})
     order by id limit 1`,
    [asked],
  );
  const [customer] = rows;
  if (!customer) return undefined;
  const { rows: merged } = await pool.query<{ id: string }>(
    'select id from billing.customers where merged_into = $1 order by id',
    [customer.id],
  );
  const { rows: changes } = await pool.query<Shown['changes'][number]>(
    `select from_tier as "from", to_tier as "to", changed_at, arrived_at,
       (extract(epoch from arrived_at - changed_at) * 1000)::float8 as lag_ms
     from billing.tier_changes where customer = $1 order by changed_at desc limit 20`,
    [customer.id],
  );
  return { customer, merged: merged.map(({ id }) => id), changes };
}

/** Serves `/`, a page to look a customer up, and `/customers/<id or address>` as JSON, on this machine alone: nobody signs in here. */
export async function servePage(pool: pg.Pool, wantedPort: number): Promise<Page> {
  const server = createServer(async (request, response) => {
    try {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1');
      if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? ''))
        return answer(response, 403, { error: 'Call it http://127.0.0.1.' });
      if (request.method !== 'GET') return answer(response, 405, { error: 'Only GET is known here.' });
      if (pathname === '/') {
        const asked = searchParams.get('customer')?.trim() ?? '';
        const shown = asked ? await findCustomer(pool, asked) : undefined;
        response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' }).end(toHtml(asked, shown));
        return;
      }
      const [, asked] = /^\/customers\/([^/]+)$/.exec(pathname) ?? [];
      if (!asked) return answer(response, 404, { error: 'There are / and /customers/<id or address>.' });
      const shown = await findCustomer(pool, decodeURIComponent(asked));
      answer(response, shown ? 200 : 404, shown ?? { error: 'Billing knows no such customer.' });
    } catch (error) {
      if (error instanceof URIError) answer(response, 400, { error: 'The address is not well formed.' });
      else answer(response, 503, { error: 'The database of billing does not answer.' });
    }
  });
  server.requestTimeout = 10_000;
  const url = await listen(server, wantedPort);
  return {
    url,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** On the port, or the next one that is free. */
async function listen(server: ReturnType<typeof createServer>, wanted: number): Promise<string> {
  for (let port = wanted; ; port++) {
    server.listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || port >= wanted + 50) throw error;
    }
  }
}

function answer(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
}

const escapeHtml = (text: unknown) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

function toHtml(asked: string, shown: Shown | undefined): string {
  const rows = shown?.changes.map(
    ({ from, to, changed_at, lag_ms }) =>
      `<li>${escapeHtml(from ?? 'none')} → ${escapeHtml(to ?? 'none')}, ${escapeHtml(changed_at.toISOString())}, here after ${lag_ms.toFixed(0)} ms</li>`,
  );
  const found = shown
    ? `<h2>${escapeHtml(shown.customer.is_erased ? 'An erased customer' : shown.customer.name)}</h2>
<p>Tier <strong>${escapeHtml(shown.customer.tier ?? 'none')}</strong>, version ${shown.customer.version}, ${escapeHtml(shown.customer.id)}</p>
${shown.merged.length > 0 ? `<p>Merged into it: ${shown.merged.map(escapeHtml).join(', ')}</p>` : ''}
<ul>${rows?.join('')}</ul>`
    : asked && '<p>Billing knows no such customer.</p>';
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Billing</title><style>:root{color-scheme:light dark}body{font:16px system-ui;max-width:40rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}</style>
<h1>Billing</h1>
<form><label>Customer, by id or address <input name="customer" value="${escapeHtml(asked)}"></label> <button>Look up</button></form>
${found}</html>`;
}
