import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bootstrap, migrate, startLocal } from '@aether/database';
import { applyImport, planImport, type ReadRow } from '@aether/importer';
import pg from 'pg';
import { printTable } from './tables.ts';

/*
 * Plans of one list: all of it new; imported before, with a hundredth changed and as many new; all of it changed; and unchanged, but compared
 * with its customers again. Each plan is given up. The medians of some rounds, in turns.
 *
 *   npm run bench:plans
 *   npm run bench:compare -- plans --against HEAD~1 --same-bench --rounds 2
 */
const { values: options } = parseArgs({
  options: { rows: { type: 'string', default: '20000' }, rounds: { type: 'string', default: '5' } },
});
const rows = Number(options.rows);
const rounds = Number(options.rounds);
const firstNames = 'Ada Ben Carla Dmitri Elif Farah Goran Hanna Ivan Jale Kofi Lena Milan Nadia Otto Priya'.split(' ');
const lastNames = 'Almeida Brandt Castillo Dvorak Eriksen Fontaine Gruber Hoffmann Ito Jansen Kowalski'.split(' ');

function lineOf(n: number, changes: object): ReadRow {
  const name = `${firstNames[n % firstNames.length]} ${lastNames[(n * 7) % lastNames.length]}${n % 500}`;
  const email = `p${n}@company${n % 500}.example`;
  const phone = `+4930${String(n).padStart(7, '0')}`;
  return {
    kind: 'person',
    line: n + 2,
    raw: `${n},${email},${name}`,
    person: {
      line: n + 2,
      externalId: n % 3 === 0 ? String(n) : null,
      emails: [{ address: email, key: email }],
      phones: n % 2 === 0 ? [{ written: phone, key: phone, extension: null, isShared: false }] : [],
      name,
      firstName: null,
      lastName: null,
      company: null,
      city: null,
      birthDate: null,
      tier: null,
      owner: null,
      language: null,
      timezone: null,
      createdAt: null,
      tags: [],
      notes: [],
      custom: {},
      remarks: [],
      ...changes,
    },
  };
}

async function* listOf(isChanged: (n: number) => boolean, more = 0): AsyncGenerator<ReadRow[]> {
  for (let from = 0; from < rows + more; from += 500)
    yield Array.from({ length: Math.min(500, rows + more - from) }, (_, at) =>
      lineOf(from + at, isChanged(from + at) ? { timezone: 'Europe/Rome' } : {}),
    );
}

const folder = await mkdtemp(join(tmpdir(), 'aether-bench-'));
await chmod(folder, 0o755);
const local = await startLocal({ folder, database: 'bench', port: 54541, settings: { shared_buffers: '256MB' } });
try {
  await bootstrap(local.adminUrl, { database: 'bench', passwords: {} });
  await migrate(local.urlOf('platform_migrator'));
  const client = new pg.Client({ connectionString: local.urlOf('sync_app') });
  client.on('error', () => {});
  await client.connect();
  const plan = (list: AsyncGenerator<ReadRow[]>, settings = {}) =>
    planImport(client, {
      app: 'foundation',
      settings,
      sources: [{ source: 'list', name: 'list.csv', sha256: null, rows: list }],
    });
  const times = new Map<string, number[]>();
  const timed = async (what: string, list: AsyncGenerator<ReadRow[]>, settings = {}) => {
    const startedAt = performance.now();
    const { run } = await plan(list, settings);
    times.set(what, [...(times.get(what) ?? []), performance.now() - startedAt]);
    await client.query('select sync.abandon_import($1)', [run]);
  };
  for (let round = 0; round < rounds; round++)
    await timed(
      'all new',
      listOf(() => false),
    );
  await applyImport(client, (await plan(listOf(() => false))).run);
  for (let round = 0; round < rounds; round++) {
    await timed(
      'mostly known',
      listOf((n) => n % 100 === 0, rows / 100),
    );
    await timed(
      'all changed',
      listOf(() => true),
    );
    await timed(
      'unchanged, compared again',
      listOf(() => false),
      { again: true },
    );
  }
  console.log(
    printTable({
      columns: [`plans of ${rows.toLocaleString('en')} lines`, 'ms, median', 'ms, fastest'],
      rows: [...times].map(([what, all]) => {
        const sorted = all.toSorted((a, b) => a - b);
        return [what, (sorted[sorted.length >> 1] as number).toFixed(0), (sorted[0] as number).toFixed(0)];
      }),
    }),
  );
  await client.end();
} finally {
  await local.server.stop('immediate');
  await rm(folder, { recursive: true, force: true });
}
