import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { openBrowser } from './testing.browser.ts';
import { type Stack, signIn, startStack } from './testing.stack.ts';

/** `npm run pictures` sets it: the pictures of the documentation are made of the screens that are tested here. */
const pictures = process.env.AETHER_PICTURES && fileURLToPath(new URL('../docs/pictures/', import.meta.url));
const shownInDocs = new Set(['conversation-light-wide', 'chatbot-light-wide']);

let browser: Browser;
let stack: Stack;
const ids = { session: '', customer: '', widget: '', chatbot: '' };
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  const get = async (path: string) => (await stack.call('GET', `${stack.support}${path}`, { as: 'maya' })).body;
  const [nora] = (await get('/api/inbox?view=unassigned&search=nora')).sessions;
  ids.session = nora.id;
  ids.customer = nora.customer_id;
  ids.widget = (await get('/api/widgets')).widgets[0].id;
  ids.chatbot = (await get('/api/chatbots')).chatbots[0].id;
}, 90_000);

/** Each with what stands there when it is loaded. */
const pages = [
  ['inbox', () => '/inbox?view=all', 'Yusuf Demir'],
  ['conversation', () => `/sessions/${ids.session}?view=unassigned`, 'Account manager'],
  ['snoozed', () => '/inbox?view=snoozed', /./],
  ['calls', () => '/calls', 'Log a call'],
  ['customer', () => `/customers/${ids.customer}`, 'Account manager'],
  ['canned', () => '/settings/canned-answers', '/hello'],
  ['agents', () => '/settings/agents', 'Tom Berglund'],
  ['widgets', () => '/settings/widgets', 'Demo shop'],
  ['widget', () => `/settings/widgets/${ids.widget}`, 'Where it may stand'],
  ['chatbots', () => '/settings/chatbots', 'Lumi'],
  ['chatbot', () => `/settings/chatbots/${ids.chatbot}`, 'Questions'],
] as const;

describe.each([
  ['light', 'wide', 1440, 900],
  ['dark', 'wide', 1440, 900],
  ['light', 'narrow', 375, 780],
] as const)('in %s on a %s screen', (colorScheme, width, widthPx, heightPx) => {
  let page: Page;
  beforeAll(async () => {
    const viewport = { width: widthPx, height: heightPx };
    ({ page } = await signIn(browser, stack.support, 'Priya Nair', { colorScheme, viewport, reducedMotion: 'reduce' }));
  });

  test.each(pages)('%s keeps nobody out and does not scroll sideways', async (name, path, shown) => {
    await page.goto(`${stack.support}${path()}`);
    const main = page.getByRole('main');
    if (name === 'conversation' && width === 'narrow') await main.getByRole('log').waitFor();
    else await main.getByText(shown).first().waitFor();
    expect(await findBarriers(page)).toEqual([]);
    const overflow = await page.evaluate<number>('document.documentElement.scrollWidth - innerWidth');
    expect(overflow).toBeLessThanOrEqual(0);
    const picture = `${name}-${colorScheme}-${width}`;
    if (pictures && shownInDocs.has(picture)) await page.screenshot({ path: `${pictures}support-${picture}.png` });
  });
});

test('the start page loads at most 250 KB of script, compressed', async () => {
  const { page, context } = await signIn(browser, stack.support, 'Tom Berglund');
  const scripts = new Map<string, number>();
  page.on('response', async (response) => {
    if (!response.url().endsWith('.js')) return;
    scripts.set(response.url(), Number(response.headers()['content-length'] ?? Number.POSITIVE_INFINITY));
  });
  const session = await context.newCDPSession(page);
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  await page.goto(`${stack.support}/`);
  await page.getByRole('heading', { name: 'Mine' }).waitFor();
  await page.waitForLoadState('networkidle');
  const bytes = [...scripts.values()].reduce((sum, each) => sum + each, 0);
  expect(scripts.size).toBeGreaterThan(1);
  expect(bytes).toBeLessThanOrEqual(250 * 1_024);
  await context.close();
});
