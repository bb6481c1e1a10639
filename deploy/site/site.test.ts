import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import MiniSearch from 'minisearch';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../production/lock.ts';
import { animate, readChunks } from './animation.ts';
import { buildSite, searchOptions } from './build.ts';
import { anchorOf, readOutline, readParts, renderPage } from './markdown.ts';

let folder: string;
let count: number;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aether-site-'));
  count = buildSite(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (path: string) => readFileSync(join(folder, path), 'utf8');

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
  const addresses = (text: string) =>
    search.search(text, { prefix: true, fuzzy: 0.15, combineWith: 'AND' }).map(({ address }) => address as string);
  expect(addresses('PgBouncer port 6432')[0]).toMatch(/^(azure|pgbouncer)\.html#/);
  expect(addresses('erasur')).toEqual(expect.arrayContaining([expect.stringMatching(/^privacy\.html/)]));
  expect(addresses('sequencr')).toEqual(expect.arrayContaining([expect.stringMatching(/^runbooks\/sequencer\.html/)]));
  expect(addresses('qwrtzpsd')).toEqual([]);
  for (const { address } of search.search(MiniSearch.wildcard))
    expect(existsSync(join(folder, address.split('#')[0]))).toBe(true);
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
