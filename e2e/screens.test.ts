import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { openBrowser } from './testing.browser.ts';
import { type Stack, signIn, startStack } from './testing.stack.ts';

/** `npm run pictures` sets it: the pictures of the documentation are made of the screens that are tested here. */
const pictures = process.env.AETHER_PICTURES && fileURLToPath(new URL('../docs/pictures/', import.meta.url));

/** Those that the documentation shows. */
const shownInDocs = new Set([
  'customers-light-wide',
  'customer-light-wide',
  'deals-light-wide',
  'customer-dark-wide',
  'deals-dark-wide',
  'customer-light-narrow',
]);

let browser: Browser;
let stack: Stack;
let customer: string;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  const api = (method: string, path: string, body?: unknown) =>
    stack.call(method, `${stack.foundation}${path}`, { as: 'maya', body });
  // One with a chat, deals and a company, and a few changes by people.
  customer = (await api('GET', '/api/customers?search=kenji')).body.customers[0].id;
  await api('PATCH', `/api/customers/${customer}`, { phone: '+81 3 5550 0142' });
  await api('POST', `/api/customers/${customer}/activities`, {
    type: 'task',
    description: 'Send the signed copy',
    due_at: new Date(Date.now() + 86_400_000).toISOString(),
  });
  if (pictures) await mkdir(pictures, { recursive: true });
}, 90_000);

/** Each with what stands there when it is loaded. */
const pages = [
  ['customers', () => '/customers?sort=updated&dir=desc', 'Kenji Watanabe'],
  ['customer', () => `/customers/${customer}`, 'Support conversation'],
  ['deals', () => '/deals', 'Negotiation'],
  ['companies', () => '/companies', 'Alder'],
  ['tasks', () => '/tasks', 'Send the signed copy'],
  ['fields', () => '/settings/fields', 'Custom fields'],
  ['pipelines', () => '/settings/pipelines', 'Pipelines'],
  ['users', () => '/settings/users', 'Priya Nair'],
  ['nobody', () => '/customers?search=nobody-is-called-this', 'No customer is like that'],
] as const;

describe.each([
  ['light', 'wide', 1440, 900],
  ['dark', 'wide', 1440, 900],
  ['light', 'narrow', 375, 780],
] as const)('in %s on a %s screen', (colorScheme, width, widthPx, heightPx) => {
  let page: Page;
  beforeAll(async () => {
    const viewport = { width: widthPx, height: heightPx };
    ({ page } = await signIn(browser, stack.foundation, 'Maya Okafor', {
      colorScheme,
      viewport,
      reducedMotion: 'reduce',
    }));
  });

  test.each(pages)('%s keeps nobody out and does not scroll sideways', async (name, path, shown) => {
    await page.goto(`${stack.foundation}${path()}`);
    await page.getByText(shown).first().waitFor();
    expect(await findBarriers(page)).toEqual([]);
    const overhang = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
    expect(overhang).toBeLessThanOrEqual(0);
    const picture = `${name}-${colorScheme}-${width}`;
    if (pictures && shownInDocs.has(picture)) await page.screenshot({ path: `${pictures}${picture}.png` });
  });
});

test('the start page loads at most 250 KB of script, compressed', async () => {
  const { page, context } = await signIn(browser, stack.foundation, 'Jonas Weber');
  const scripts = new Map<string, number>();
  page.on('response', async (response) => {
    if (!response.url().endsWith('.js')) return;
    scripts.set(response.url(), Number(response.headers()['content-length'] ?? Number.POSITIVE_INFINITY));
  });
  const session = await context.newCDPSession(page);
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  await page.goto(`${stack.foundation}/`);
  await page.getByRole('heading', { name: 'Customers' }).waitFor();
  await page.waitForLoadState('networkidle');
  const bytes = [...scripts.values()].reduce((sum, each) => sum + each, 0);
  expect(scripts.size).toBeGreaterThan(1);
  expect(bytes).toBeLessThanOrEqual(250 * 1_024);
  await context.close();
});
