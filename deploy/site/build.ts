import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import MiniSearch from 'minisearch';
import { root } from '../production/lock.ts';
import { reference, runbooks, sections } from './contents.ts';
import { readOutline, readParts, renderPage } from './markdown.ts';
import type { ReferencePage } from './reference/text.ts';

/*
 * The documents as a site: files that any web server gives out, with a search that runs in the browser. Nothing is asked of another host.
 */

const escapeHtml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** How the index is made and read: the same in both places. */
export const searchOptions = { fields: ['title', 'heading', 'text'], storeFields: ['title', 'heading', 'address'] };

type Page = { path: string; address: string; title: string; text: string };

export type Chapter = { title: string; about: string; pages: Page[] };

/** The pages by their sections. Paths from the root. @throws Error for a page that is not there */
export function readPages(): Chapter[] {
  const names = globSync(`${runbooks.folder}/*.md`, { cwd: root }).map((path) =>
    path.replaceAll('\\', '/').replace(/\.md$/, ''),
  );
  return [...sections, { ...runbooks, pages: names.sort() }].map(({ title, about, pages }) => ({
    title,
    about,
    pages: pages.map((name) => {
      const path = `${name}.md`;
      const text = readFileSync(join(root, path), 'utf8');
      return { path, address: addressOf(path), title: readOutline(text).title, text };
    }),
  }));
}

/** `docs/runbooks/bus.md` is `runbooks/bus.html`, and the README is the first page. Pure. */
const addressOf = (path: string): string =>
  path === 'README.md'
    ? 'index.html'
    : path
        .replace(/^docs\//, '')
        .replace(/\.md$/, '.html')
        .toLowerCase();

/**
 * Builds the site into a folder, which is made anew.
 *
 * @param made the pages of the reference
 * @returns how many pages it has.
 */
export function buildSite(into: string, made: ReferencePage[]): number {
  const chapters = withReference(readPages(), made);
  const pages = chapters.flatMap((chapter) => chapter.pages);
  const known = new Map(pages.map(({ path, address }) => [path, address]));
  rmSync(into, { recursive: true, force: true });
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(into, path)), { recursive: true });
    writeFileSync(join(into, path), text);
  };
  for (const page of pages) write(page.address, describePage(page, chapters, known));
  const search = new MiniSearch<{ id: string; title: string; heading: string; address: string; text: string }>(
    searchOptions,
  );
  for (const { address, title, text } of pages)
    search.addAll(
      readParts(text).map((part, at) => ({
        ...part,
        id: `${address}#${at}`,
        title,
        address: `${address}#${part.anchor}`,
      })),
    );
  write('search.json', JSON.stringify(search));
  cpSync(join(root, 'docs', 'pictures'), join(into, 'pictures'), { recursive: true });
  for (const file of ['style.css', 'search.js']) cpSync(join(import.meta.dirname, file), join(into, file));
  cpSync(join(root, 'node_modules', 'minisearch', 'dist', 'umd', 'index.js'), join(into, 'minisearch.js'));
  return pages.length;
}

/** Behind what is looked up. */
function withReference(chapters: Chapter[], made: ReferencePage[]): Chapter[] {
  const pages = made.map(({ path, text }) => ({
    path,
    address: addressOf(path),
    title: readOutline(text).title,
    text,
  }));
  const at = chapters.findIndex(({ title }) => title === 'Look up') + 1;
  return chapters.toSpliced(at, 0, { ...reference, pages });
}

function describePage({ path, address, title, text }: Page, chapters: Chapter[], known: Map<string, string>): string {
  const top = '../'.repeat(address.split('/').length - 1);
  const resolve = (link: string): string | undefined => {
    if (/^(?:https?:|mailto:|#)/.test(link)) return link;
    const [to = '', anchor] = link.split('#');
    const file = posix.join(posix.dirname(path), to);
    const page = known.get(file);
    if (page) return `${top}${page}${anchor ? `#${anchor}` : ''}`;
    return file.startsWith('docs/pictures/') ? `${top}${file.slice('docs/'.length)}` : undefined;
  };
  const { headings } = readOutline(text);
  const contents = headings.filter(({ level }) => level === 2);
  const here = contents.map(({ text: heading, anchor }) => `<li><a href="#${anchor}">${escapeHtml(heading)}</a></li>`);
  const sidebar = chapters.map(
    (chapter) =>
      `<h2 title="${escapeHtml(chapter.about)}">${escapeHtml(chapter.title)}</h2>\n<ul>${chapter.pages
        .map((page) => {
          const mark = page.address === address ? ' aria-current="page"' : '';
          return `<li><a href="${top}${page.address}"${mark}>${escapeHtml(page.title)}</a></li>`;
        })
        .join('\n')}</ul>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} · Aether Sync</title>
<link rel="stylesheet" href="${top}style.css">
<script src="${top}minisearch.js" defer></script>
<script src="${top}search.js" data-top="${top}" defer></script>
</head>
<body>
<a class="skip" href="#page">To the page</a>
<header>
<a class="home" href="${top}index.html">Aether Sync</a>
<form role="search"><input type="search" placeholder="Search (press /)" aria-label="Search the documents" autocomplete="off">
<ol class="found" hidden></ol></form>
</header>
<details class="menu"><summary>All pages</summary><nav aria-label="All pages of this device's menu">${sidebar.join('\n')}</nav></details>
<div class="columns">
<nav class="side" aria-label="All pages">${sidebar.join('\n')}</nav>
<main id="page">${renderPage(text, resolve)}</main>
${here.length > 1 ? `<nav class="here" aria-label="On this page"><h2>On this page</h2><ul>${here.join('\n')}</ul></nav>` : ''}
</div>
</body>
</html>
`;
}
