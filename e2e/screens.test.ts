import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { openBrowser } from './testing.browser.ts';
import { follow, type Persona, type Stack, signIn, startStack } from './testing.stack.ts';

/** `npm run pictures` sets it. The pictures of the documentation are made from the screens that these tests check. */
const pictures = process.env.AETHER_PICTURES && fileURLToPath(new URL('../docs/pictures/', import.meta.url));

/** The screens that the documentation shows. */
const shownInDocs = new Set([
  'customers-light-wide',
  'customer-light-wide',
  'deals-light-wide',
  'customer-dark-wide',
  'deals-dark-wide',
  'customer-light-narrow',
  'support-conversation-light-wide',
  'support-chatbot-light-wide',
]);

let browser: Browser;
let stack: Stack;
const ids = { customer: '', conversation: '', visitor: '', widget: '', chatbot: '' };
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  const api = (method: string, path: string, body?: unknown) =>
    stack.call(method, `${stack.foundation}${path}`, { as: 'maya', body });
  // A customer with a chat, deals and a company, and a few changes by people.
  ids.customer = (await api('GET', '/api/customers?search=kenji')).body.customers[0].id;
  await api('PATCH', `/api/customers/${ids.customer}`, { phone: '+81 3 5550 0142' });
  await api('POST', `/api/customers/${ids.customer}/activities`, {
    type: 'task',
    description: 'Send the signed copy',
    due_at: new Date(Date.now() + 86_400_000).toISOString(),
  });
  const read = async (path: string) => (await stack.call('GET', `${stack.support}${path}`, { as: 'priya' })).body;
  const [waiting] = (await read('/api/inbox?view=unassigned&search=nora')).sessions;
  ids.conversation = waiting.id;
  ids.visitor = waiting.customer_id;
  ids.widget = (await read('/api/widgets')).widgets[0].id;
  ids.chatbot = (await read('/api/chatbots')).chatbots[0].id;
  if (pictures) await mkdir(pictures, { recursive: true });
}, 240_000);

/** Each page, with a text that shows that it is loaded. */
const pages: Record<'foundation' | 'support', [name: string, path: () => string, shown: string][]> = {
  foundation: [
    ['customers', () => '/customers?sort=updated&dir=desc', 'Kenji Watanabe'],
    ['customer', () => `/customers/${ids.customer}`, 'Support conversation'],
    ['deals', () => '/deals', 'Negotiation'],
    ['companies', () => '/companies', 'Alder'],
    ['tasks', () => '/tasks', 'Send the signed copy'],
    ['fields', () => '/settings/fields', 'Custom fields'],
    ['pipelines', () => '/settings/pipelines', 'Pipelines'],
    ['users', () => '/settings/users', 'Priya Nair'],
    ['nobody', () => '/customers?search=nobody-is-called-this', 'No customer is like that'],
  ],
  support: [
    ['support-inbox', () => '/inbox?view=all', 'Yusuf Demir'],
    ['support-conversation', () => `/sessions/${ids.conversation}?view=unassigned`, 'second control room'],
    ['support-calls', () => '/calls', 'Log a call'],
    ['support-customer', () => `/customers/${ids.visitor}`, 'Account manager'],
    ['support-canned', () => '/settings/canned-answers', '/hello'],
    ['support-agents', () => '/settings/agents', 'Tom Berglund'],
    ['support-widgets', () => '/settings/widgets', 'Demo shop'],
    ['support-widget', () => `/settings/widgets/${ids.widget}`, 'Allowed websites'],
    ['support-chatbots', () => '/settings/chatbots', 'Lumi'],
    ['support-chatbot', () => `/settings/chatbots/${ids.chatbot}`, 'Questions'],
  ],
};

/** The pages that are tested on a narrow screen. The others have the same parts, one below the other. */
const mostUsed = new Set(['customers', 'customer', 'deals', 'support-inbox', 'support-conversation']);

/** The pages with their own colours. The others consist of the same parts. */
const inDark = new Set([
  ...mostUsed,
  'tasks',
  'pipelines',
  'users',
  'support-calls',
  'support-agents',
  'support-chatbot',
]);

const people = { foundation: 'Maya Okafor', support: 'Priya Nair' } as const satisfies Record<string, Persona>;

/** Waits until all transitions of colours and places have ended. */
const settled = `new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))).then(() =>
  Promise.all(document.getAnimations().filter(({ effect }) => effect.getComputedTiming().iterations !== Infinity).map(({ finished }) => finished.catch(() => {}))).then(() => true))`;

const wide = { width: 1440, height: 900 };
const narrow = { width: 375, height: 780 };

describe.each(['foundation', 'support'] as const)('%s', (app) => {
  let page: Page;
  beforeAll(async () => {
    ({ page } = await signIn(browser, stack[app], people[app], { viewport: wide, reducedMotion: 'reduce' }));
  });

  async function look(name: string, colorScheme: 'light' | 'dark', viewport: typeof wide): Promise<void> {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    await page.evaluate(settled);
    const overhang = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
    expect(await page.evaluate(overhang)).toBeLessThanOrEqual(0);
    const picture = `${name}-${colorScheme}-${viewport === wide ? 'wide' : 'narrow'}`;
    if (pictures && shownInDocs.has(picture)) await page.screenshot({ path: `${pictures}${picture}.png` });
  }

  test.each(pages[app])(
    '%s has no barrier in light or dark, and does not scroll sideways',
    async (name, path, shown) => {
      await page.setViewportSize(wide);
      await follow(page, `${stack[app]}${path()}`);
      await page.getByRole('main').getByText(shown).first().waitFor();
      if (inDark.has(name)) {
        await look(name, 'dark', wide);
        // Repeated, because colours that a text inherits change a moment after the scheme does.
        await expect.poll(() => findBarriers(page, 'colours')).toEqual([]);
      }
      await look(name, 'light', wide);
      await expect.poll(() => findBarriers(page)).toEqual([]);
      await look(name, 'light', narrow);
      if (mostUsed.has(name)) expect(await findBarriers(page)).toEqual([]);
    },
  );

  test('the start page loads at most 250 KB of script, compressed', async () => {
    const { page: fresh, context } = await signIn(browser, stack[app], 'Tom Berglund');
    const scripts = new Map<string, number>();
    fresh.on('response', async (response) => {
      if (!response.url().endsWith('.js')) return;
      scripts.set(response.url(), Number(response.headers()['content-length'] ?? Number.POSITIVE_INFINITY));
    });
    const session = await context.newCDPSession(fresh);
    await session.send('Network.setCacheDisabled', { cacheDisabled: true });
    await fresh.goto(`${stack[app]}/`);
    await fresh.getByRole('heading', { name: app === 'foundation' ? 'Customers' : 'Mine' }).waitFor();
    await fresh.waitForLoadState('networkidle');
    const bytes = [...scripts.values()].reduce((sum, each) => sum + each, 0);
    expect(scripts.size).toBeGreaterThan(1);
    expect(bytes).toBeLessThanOrEqual(250 * 1_024);
    await context.close();
  });
});
