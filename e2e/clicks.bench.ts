import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { aether, newHome, readEnv, webIsBuilt } from '@aether/cli/testing';
import { atEnd } from '@aether/database/testing';
import type { Browser, Page } from 'playwright-core';
import { test } from 'vitest';
import { openBrowser } from './testing.browser.ts';
import { type Persona, signIn } from './testing.stack.ts';

/** The folder of another build, or its commit, which is then checked out beside this one. */
const before = process.env.BEFORE ?? '48e280c';
const rounds = Number(process.env.ROUNDS ?? 12);

type App = 'foundation' | 'support';
/** A link of the navigation, and what the page shows when its content is there. Both builds have these. */
type Step = [link: string, shown: string];

const steps: Record<App, { persona: Persona; begin: string; shown: string; clicks: Step[] }> = {
  foundation: {
    persona: 'Maya Okafor',
    begin: '/customers',
    shown: '@example',
    clicks: [
      ['Deals', 'weighted'],
      ['Companies', 'alder'],
      ['Users', 'Priya Nair'],
      ['Tasks', 'everybody’s'],
      ['Customers', '.example'],
    ],
  },
  support: {
    persona: 'Priya Nair',
    begin: '/inbox?view=all',
    shown: 'Yusuf Demir',
    clicks: [
      ['Calls', 'Log a call'],
      ['Canned answers', '/hello'],
      ['Agents', 'Tom Berglund'],
      ['Widgets', 'Demo shop'],
      ['Chatbots', 'Lumi'],
    ],
  },
};

/**
 * Waits in the page for its content, and says when it was painted, in ms since the last click or, without one, since the page was asked for.
 * The title of a page says which page it is.
 */
const watch = (words: string, title?: string) => `new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error('does not appear: ' + ${JSON.stringify(words)})), 10_000);
  const isThere = () => (${JSON.stringify(title ?? null)} ?? document.querySelector('main h1')?.textContent) === document.querySelector('main h1')?.textContent && document.querySelector('main')?.textContent?.toLowerCase().includes(${JSON.stringify(words.toLowerCase())});
  let from = 0;
  const look = () => {
    if (isThere()) { observer.disconnect(); requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - from))); }
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { subtree: true, childList: true, characterData: true });
  if (${title !== undefined}) addEventListener('click', ({ timeStamp }) => { from = timeStamp; }, { capture: true, once: true });
  look();
})`;

test('click to content, beside another build', async () => {
  const [browser, there] = await Promise.all([openBrowser(), findBefore()]);
  const builds = { before: await start(there), now: await start(join(import.meta.dirname, '..')) };
  const took = new Map<string, number[]>();
  const note = (key: string, ms: number) => took.set(key, [...(took.get(key) ?? []), ms]);
  for (let round = -1; round < rounds; round++) {
    for (const app of ['foundation', 'support'] as const) {
      const order = (['before', 'now'] as const).toSorted((one, other) =>
        (round % 2 ? one : other).localeCompare(round % 2 ? other : one),
      );
      for (const build of order)
        for (const [what, ms] of await visit(browser, builds[build][app], app))
          if (round >= 0) note(`${app} ${what} ${build}`, ms);
    }
  }
  console.log(`\n${rounds} rounds, in turns, ms\n\n${describe(took)}`);
}, 1_200_000);

/** A person comes, with nothing in the browser's cache, and clicks through the navigation twice: at once, and again. */
async function visit(browser: Browser, url: string, app: App): Promise<[what: string, ms: number][]> {
  const { persona, begin, shown, clicks } = steps[app];
  const { page, context } = await signIn(browser, url, persona, { hasMotion: true });
  const session = await context.newCDPSession(page);
  await session.send('Network.clearBrowserCache');
  const took: [string, number][] = [];
  await page.goto('about:blank');
  await page.goto(`${url}${begin}`, { waitUntil: 'commit' });
  took.push(['first load', (await page.evaluate(watch(shown.replace('@', '')))) as number]);
  await page.waitForLoadState('networkidle');
  for (const what of ['first click on a page', 'later click on a page'])
    for (const [link, words] of clicks) took.push([what, await click(page, link, words)]);
  await context.close();
  return took;
}

async function click(page: Page, link: string, words: string): Promise<number> {
  const arrival = page.evaluate<number>(watch(words, link));
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: link }).click();
  const ms = await arrival;
  await page.waitForTimeout(150); // a person reads
  return ms;
}

function describe(took: Map<string, number[]>): string {
  const lines: string[] = [];
  const whats = ['first load', 'first click on a page', 'later click on a page'];
  const of = (share: number, all: number[]) =>
    all.toSorted((one, other) => one - other)[Math.ceil(share * all.length) - 1] ?? 0;
  const line = (name: string, old: number[], now: number[]) => {
    const [oldMedian, old95, median, now95] = [of(0.5, old), of(0.95, old), of(0.5, now), of(0.95, now)];
    const cells = [old.length, oldMedian.toFixed(0), old95.toFixed(0), median.toFixed(0), now95.toFixed(0)];
    lines.push(`| ${name} | ${cells.join(' | ')} | **${(now95 / old95).toFixed(2)}×** |`);
  };
  for (const app of ['foundation', 'support'])
    for (const what of whats)
      line(`${app}: ${what}`, took.get(`${app} ${what} before`) ?? [], took.get(`${app} ${what} now`) ?? []);
  const all = (build: string) =>
    [...took].filter(([key]) => key.includes('click') && key.endsWith(build)).flatMap(([, each]) => each);
  line('all clicks', all('before'), all('now'));
  return `| | counted | before p50 | p95 | now p50 | p95 | p95, now ÷ before |\n|---|--:|--:|--:|--:|--:|--:|\n${lines.join('\n')}`;
}

/** Starts everything of a build, with its own database and demo data. */
async function start(folder: string): Promise<Record<App, string>> {
  const home = await newHome();
  const command = aether(home, ['start'], { SUPPORT_RATE_FACTOR: '20' }, join(folder, 'cli'));
  atEnd(async () => {
    command.child.kill('SIGTERM');
    await command.ends();
  });
  await command.prints(/Ctrl-C stops everything/);
  await command.prints(webIsBuilt);
  const { FOUNDATION_URL = '', SUPPORT_URL = '' } = readEnv(home);
  return { foundation: FOUNDATION_URL, support: SUPPORT_URL };
}

async function findBefore(): Promise<string> {
  if (existsSync(join(before, 'cli'))) return before;
  const run = promisify(execFile);
  const house = join(import.meta.dirname, '..');
  const folder = join(await mkdtemp(join(tmpdir(), 'aether-before-')), 'aether');
  await run('git', ['worktree', 'add', '--detach', folder, before], { cwd: house });
  atEnd(async () => {
    await run('git', ['worktree', 'remove', '--force', folder], { cwd: house });
    await rm(join(folder, '..'), { recursive: true, force: true });
  });
  await run('cp', ['-a', join(house, 'node_modules'), folder]); // `npm ci` would fetch all of it again
  return folder;
}
