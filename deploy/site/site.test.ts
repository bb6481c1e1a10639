import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { createTestDatabase } from '@aether/database/testing';
import MiniSearch from 'minisearch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../production/lock.ts';
import { animate, readChunks } from './animation.ts';
import { buildSite, searchOptions } from './build.ts';
import { anchorOf, readOutline, readParts, renderPage } from './markdown.ts';
import { listCommands } from './reference/command.ts';
import { readReference } from './reference/pages.ts';
import { type Process, processes, readProcess } from './reference/settings.ts';
import type { ReferencePage } from './reference/text.ts';

let folder: string;
let count: number;
let made: ReferencePage[];
const asked = new Map<string, Set<string>>();
beforeAll(async () => {
  const database = await createTestDatabase();
  const catalogue = await database.connect('platform_migrator');
  made = await readReference({ url: database.url, query: (text) => catalogue.query(text) }, (app, name) =>
    asked.set(app, (asked.get(app) ?? new Set()).add(name)),
  );
  folder = mkdtempSync(join(tmpdir(), 'aether-site-'));
  count = buildSite(folder, made);
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** As search.js asks. */
const searchQuery = { prefix: true, fuzzy: 0.15, boost: { title: 4, heading: 3 }, combineWith: 'AND' } as const;
const texts = new Map<string, string>();
const read = (path: string) => {
  const text = texts.get(path) ?? readFileSync(join(folder, path), 'utf8');
  texts.set(path, text);
  return text;
};

test('every link and picture of the site leads to a file of it, and asks no other host for anything but a page', () => {
  const files = globSync('**/*.html', { cwd: folder });
  expect(files.length).toBe(count);
  for (const file of files) {
    const page = read(file);
    for (const [, name, link = ''] of page.matchAll(/\b(href|src)="([^"]+)"/g)) {
      if (/^https?:/.test(link)) {
        expect([file, name]).toEqual([file, 'href']);
        continue;
      }
      const [path = '', anchor] = link.split('#');
      const to = path === '' ? file : posix.join(posix.dirname(file.replaceAll('\\', '/')), path);
      expect([file, link, existsSync(join(folder, to))]).toEqual([file, link, true]);
      if (anchor) expect([file, link, read(to).includes(`id="${anchor}"`)]).toEqual([file, link, true]);
    }
  }
});

test('the search finds a page by its words, by the beginning of a word and with a typing error, and nothing by others', () => {
  const search = MiniSearch.loadJSON(read('search.json'), searchOptions);
  const addresses = (text: string) => search.search(text, searchQuery).map(({ address }) => address as string);
  expect(addresses('PgBouncer port 6432')[0]).toMatch(/^(azure|pgbouncer)\.html#/);
  expect(addresses('erasur')).toEqual(expect.arrayContaining([expect.stringMatching(/^privacy\.html/)]));
  expect(addresses('sequencr')).toEqual(expect.arrayContaining([expect.stringMatching(/^runbooks\/sequencer\.html/)]));
  expect(addresses('createCustomer')[0]).toMatch(/^reference\/http-foundation\.html#/);
  expect(addresses('SIGNIN_GROUPS_CLAIM')).toEqual(expect.arrayContaining(['reference/settings.html#foundation']));
  expect(addresses('qwrtzpsd')).toEqual([]);
  for (const { address } of search.search(MiniSearch.wildcard))
    expect(existsSync(join(folder, address.split('#')[0]))).toBe(true);
});

test.each([
  ['Idempotency-Key', 'http.html#repeat-a-request'],
  ['ETag', 'http.html#change-what-you-have-seen'],
  ['password rotation', 'configuration.html#passwords-that-are-replaced'],
  ['rolling upgrade', 'configuration.html#an-update-without-a-stop'],
  ['downtime', 'configuration.html#an-update-without-a-stop'],
  ['rollback', 'configuration.html#back-to-an-older-version'],
  ['sslmode', 'configuration.html#the-address-of-a-database'],
  ['pg_dump', 'configuration.html#dump-and-restore'],
  ['Bicep', 'azure.html#on-azure'],
  ['kubernetes', 'deploying.html#the-image'],
  ['license', 'deploying.html#licences-and-components'],
  ['supply chain', 'deploying.html#licences-and-components'],
  ['SBOM', 'deploying.html#licences-and-components'],
])('who types “%s” finds %s among the first five', (words, address) => {
  const search = MiniSearch.loadJSON(read('search.json'), searchOptions);
  const found = search.search(words, searchQuery).map(({ address }) => address as string);
  expect(found.slice(0, 5)).toContain(address);
});

const pageOf = (path: string) => made.find((page) => page.path === `reference/${path}.md`)?.text ?? '';
const headsOf = (path: string) => readOutline(pageOf(path)).headings.map(({ text }) => text);

test('the reference has every command with its options and what they are without being given, and no other command', () => {
  const commands = listCommands();
  expect(commands).toEqual(expect.arrayContaining(['aether start', 'aether migrate up', 'aether privacy erase']));
  const heads = new Set(headsOf('command'));
  expect(commands.filter((name) => !heads.has(name))).toEqual([]);
  const [, add = ''] = /\n### aether app add\n(.*?)\n### /s.exec(pageOf('command')) ?? [];
  expect(add).toMatch(/aether app add \[options\] <name>/);
  expect(add).toMatch(/\| `--scopes <scopes>` \| .* \| `customers\.read,companies\.read/);
  expect(pageOf('command')).toMatch(/\| `--as <who>` \| .* \| refused \|/);
  expect(heads).not.toContain('aether help');
  // A group that does something itself is there as well, and what each ends with is the table that the code has.
  const [, health = ''] = /\n## aether health\n(.*?)\n### /s.exec(pageOf('command')) ?? [];
  expect(health).toContain('`--watch`');
  expect(health).toMatch(/\| 0 \| .*\n\| 1 \| .*\n\| 2 \| something is stalled, silent or failing \|\n\| 3 \| /);
  expect(add).toMatch(/\| ends with \| when \|\n.*\n\| 0 \| .*\n\| 1 \| /);
});

test('the reference has every setting that a server asks for, with what it is otherwise and what is refused', () => {
  const of = (name: string) => readProcess(processes.find((each) => each.name === name) as Process);
  expect(of('Support')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        name: 'PLATFORM_DB_POOL_MAX',
        without: '10',
        isRequired: false,
        refusals: ['PLATFORM_DB_POOL_MAX must be a whole number from 1 to 500.'],
      }),
      expect.objectContaining({ name: 'PLATFORM_DB_POOLER', without: 'none' }),
      expect.objectContaining({ name: 'SIGNIN_ISSUER', isRequired: true }),
      expect.objectContaining({ name: 'SUPPORT_RATE_FACTOR', without: '1' }),
      expect.objectContaining({ name: 'DB_PASSWORD_FILE' }),
    ]),
  );
  expect(of('Foundation').map(({ name }) => name)).not.toContain('SUPPORT_RATE_FACTOR');
  // In the unit of the setting, and not in that of the code.
  expect(of('Foundation')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: 'FILES_SIZE_MAX_MB', without: '10' }),
      expect.objectContaining({ name: 'MAIL_WAIT_SECONDS', without: '120' }),
    ]),
  );
  expect(of('The worker').map(({ name }) => name)).toContain('SERVICEBUS_CONNECTION_STRING');
  for (const [app, settings] of asked) {
    const known = of(app.charAt(0).toUpperCase() + app.slice(1)).map(({ name }) => name);
    expect([app, [...settings].filter((name) => !known.includes(name))]).toEqual([app, []]);
    expect(settings).toContain('STREAMS_MAX');
  }
  expect(asked.size).toBe(3);
  expect(pageOf('settings')).toMatch(/\| `PLATFORM_DB_LISTEN_URL` \| \S+ \| that of `PLATFORM_DB_URL` \|/);
  expect(pageOf('settings')).toMatch(/\| `SIGNIN_AUDIENCE` \| \S+ \| that of `SIGNIN_CLIENT_ID` \|/);
  // The command's own, with what each is for, those of the launcher before it, and those of the example.
  const section = (name: string) => pageOf('settings').split(`\n## ${name}\n`)[1]?.split('\n## ')[0] ?? '';
  expect(section('The command')).toMatch(
    /\| `AETHER_HOME` \| the folder in which .*? \| \.aether of the repository \|/,
  );
  expect(section('The command')).toMatch(/\| `SYNC_APP_URL` \|.*\n(.*\n)*.*\| `SYNC_APP_PASSWORD` \|/);
  expect(section('The command')).toContain('IDENTITY\\_PORT must be a port number from 0 to 65535.');
  expect(section('The launcher')).toContain('`NODE_COMPILE_CACHE`');
  expect(of('Billing, the example')).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ name: 'BILLING_DB_URL', isRequired: true }),
      expect.objectContaining({ name: 'BILLING_BUS_KEEPS_DAYS', without: '13' }),
      expect.objectContaining({ name: 'SERVICEBUS_NAMESPACE', isRequired: false }),
    ]),
  );
  // What people read about them is elsewhere, and complete.
  const told = [
    ...['configuration', 'signin', 'metrics'].map((page) => `docs/${page}.md`),
    'examples/billing/README.md',
  ]
    .map((page) => readFileSync(join(root, page), 'utf8'))
    .join();
  const names = processes.flatMap((process) => readProcess(process).map((setting) => setting.name));
  expect(
    names.filter(
      (name) =>
        !told.includes(
          name
            .replace(/(?<=^PLATFORM_DB_SCHEMA_).*|^(?:FOUNDATION|CONSOLE)_(?=PROXY_HOPS$)/, '')
            .replace(/^[A-Z]+_(?:APP|MIGRATOR)_(?=(?:URL|PASSWORD|CONNECTIONS)$)/, '<LOGIN>_'),
        ),
    ),
  ).toEqual([]);
});

test('the reference has the routes of each server with who may use them, the types of events with their columns, and all exports', () => {
  expect(headsOf('http-foundation')).toEqual(
    expect.arrayContaining(['POST /api/customers', 'Shape Customer', 'Refusals']),
  );
  const [, create = ''] = /\n### POST \/api\/customers\n(.*?)\n### /s.exec(pageOf('http-foundation')) ?? [];
  expect(create).toContain('the scope `customers.write`');
  expect(create).toContain('[NewCustomer](#shape-newcustomer)');
  expect(pageOf('http-foundation')).toMatch(/\n### Shape NewCustomer\n.*?\| `email` \|/s);
  expect(pageOf('http-foundation')).toMatch(/\| 409 \| .*`deal-closed`/);
  expect(headsOf('events')).toEqual(
    expect.arrayContaining([
      'customer.created, customer.updated, customer.deleted',
      'customer.merged, customer.unmerged',
    ]),
  );
  const [, customer = ''] = /\n### customer\.created.*?\n(.*?)\n### /s.exec(pageOf('events')) ?? [];
  expect(customer).toMatch(/\| `account_tier` \| text or null \|/);
  expect(customer).not.toContain('email_key'); // it is in no event
  expect(pageOf('events')).toContain('Rows of `support.messages`. Key: `session_id`.');
  for (const room of ['platform', 'servicebus']) {
    const report = readFileSync(join(root, `deploy/packages/api/${room}.txt`), 'utf8').split('// Named by these')[0];
    const exported = [...(report ?? '').matchAll(/^(?:abstract )?(?:type|interface|class|const|function) ([\w$]+)/gm)];
    expect(exported.length).toBeGreaterThan(5);
    const heads = new Set(headsOf(`package-${room}`));
    expect(exported.map(([, name]) => name).filter((name) => !heads.has(name as string))).toEqual([]);
  }
});

test('a heading has the anchor that GitHub gives it; the second of a name has a number', () => {
  expect(anchorOf('The server’s log: `a_b`, C++ & Ünder')).toBe('the-servers-log-a_b-c--ünder');
  expect(readOutline('# One\n\n## Same\n\n## Same\n').headings.map(({ anchor }) => anchor)).toEqual([
    'one',
    'same',
    'same-1',
  ]);
});

test('HTML of a page is shown and not run, and a link that leads out of the site keeps its words', () => {
  const html = renderPage(
    '# A\n\n<script>alert(1)</script> [code](../x.ts) [bad](javascript:alert(1))',
    () => undefined,
  );
  expect(html).not.toMatch(/<script|href=/);
  expect(html).toContain('&lt;script&gt;');
  expect(html).toContain('title="../x.ts">code</a>');
});

test('a part of the search goes from its heading to the next one', () => {
  expect(readParts('# A\n\none `two`\n\n## B\n\n| x |\n|---|\n| three |\n\n```sh\nfour\n```\n')).toEqual([
    { heading: 'A', anchor: 'a', text: ' one  two' },
    { heading: 'B', anchor: 'b', text: ' x three four\n' },
  ]);
});

test('the moving picture has the frames of the pictures beside it, each for three seconds; a frame of another size is refused', () => {
  const read = (name: string) => ({ name, png: readFileSync(join(root, 'docs', 'pictures', name)) });
  const [one, other] = [read('customer-light-wide.png'), read('deals-light-wide.png')];
  const chunks = readChunks('both', animate([one, other], 3));
  expect(chunks.map(({ kind }) => kind).filter((kind, at, all) => kind !== all[at - 1])).toEqual([
    'IHDR',
    'acTL',
    'fcTL',
    'IDAT',
    'fcTL',
    'fdAT',
    'IEND',
  ]);
  const dataOf = (kind: string, list = chunks) =>
    Buffer.concat(list.filter((each) => each.kind === kind).map(({ data }) => data));
  expect(dataOf('IDAT')).toEqual(dataOf('IDAT', readChunks('one', one.png)));
  const frame = chunks.filter(({ kind }) => kind === 'fdAT').map(({ data }) => data.subarray(4));
  expect(Buffer.concat(frame)).toEqual(dataOf('IDAT', readChunks('other', other.png)));
  // Each frame and each part of one is numbered in order, which browsers check.
  const numbered = chunks
    .filter(({ kind }) => kind === 'fcTL' || kind === 'fdAT')
    .map(({ data }) => data.readUInt32BE(0));
  expect(numbered).toEqual(numbered.map((_, at) => at));
  expect(() => animate([one, read('customer-light-narrow.png')], 3)).toThrow(
    /customer-light-narrow\.png has another size/,
  );
  expect(() => animate([{ name: 'text', png: Buffer.from('no picture') }], 3)).toThrow('text is no PNG.');
  const tour = readChunks('tour', readFileSync(join(root, 'docs', 'pictures', 'tour.png')));
  expect(tour.filter(({ kind }) => kind === 'fcTL')).toHaveLength(5);
});
