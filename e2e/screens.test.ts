import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isLong } from '@aether/database/testing.sample';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { openBrowser } from './testing.browser.ts';
import { measure, narrow, settled, wide } from './testing.measure.ts';
import { findMisfits } from './testing.misfits.mjs';
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
  'support-team-light-wide',
]);

let browser: Browser;
let stack: Stack;
const ids = {
  customer: '',
  conversation: '',
  visitor: '',
  widget: '',
  chatbot: '',
  team: '',
  crowded: '',
  pipeline: '',
};
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
  ids.team = (await read('/api/teams')).teams[0].id;
  ids.chatbot = (await read('/api/chatbots')).chatbots[0].id;
  if (pictures) await mkdir(pictures, { recursive: true });
  else Object.assign(ids, await createCrowded(api));
}, 240_000);

/** A customer with words that have no place to break, and with open deals in five currencies. */
async function createCrowded(api: (method: string, path: string, body?: unknown) => ReturnType<Stack['call']>) {
  const word = 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerk';
  const { body: company } = await api('POST', '/api/companies', { name: `${word}bauunterbeamtengesellschaft` });
  const { body: customer } = await api('POST', '/api/customers', {
    name: `Wolfeschlegelsteinhausenbergerdorff ${word}`,
    email: 'wolfeschlegelsteinhausenbergerdorff.the.elder@donaudampfschifffahrt.example',
    company_id: company.id,
  });
  const { body: pipeline } = await api('POST', '/api/pipelines', { name: 'Crowded' });
  const amounts = { EUR: 1234567.89, USD: 98765432.1, GBP: 12345, CHF: 7654321, JPY: 123456789 };
  const deals = Object.entries(amounts).map(([currency, amount]) =>
    api('POST', '/api/deals', {
      name: `${word} ${currency}`,
      customer_id: customer.id,
      amount,
      currency,
      pipeline_id: pipeline.id,
      expected_close_on: '2030-12-24',
    }),
  );
  const entries = ['note', 'task'].map((type) =>
    api('POST', `/api/customers/${customer.id}/activities`, { type, description: `${word}${word} and all of that` }),
  );
  for (const { status } of await Promise.all([...deals, ...entries])) expect(status).toBe(201);
  return { crowded: customer.id, pipeline: String(pipeline.id) };
}

/** Each page, with a text that shows that it is loaded. */
const pages: Record<'foundation' | 'support', [name: string, path: () => string, shown: string][]> = {
  foundation: [
    ['customers', () => '/customers?sort=updated&dir=desc', 'Kenji Watanabe'],
    ['customer', () => `/customers/${ids.customer}`, 'Support conversation'],
    ['deals', () => '/deals', 'Negotiation'],
    ['deal list', () => '/deals?view=list', 'Expected close'],
    ['crowded customer', () => `/customers/${ids.crowded || ids.customer}`, 'Deal created'],
    ['crowded deals', () => `/deals${ids.pipeline && `?pipeline=${ids.pipeline}`}`, 'weighted'],
    ['companies', () => '/companies', 'Alder'],
    ['reports', () => '/reports?span=12m', 'Price'],
    ['tasks', () => '/tasks', 'Send the signed copy'],
    ['inbox', () => '/inbox', 'mentioned you'],
    ['fields', () => '/settings/fields', 'Custom fields'],
    ['tags', () => '/settings/tags', 'Renewal due'],
    ['pipelines', () => '/settings/pipelines', 'Pipelines'],
    ['loss reasons', () => '/settings/loss-reasons', 'Bad timing'],
    ['currencies', () => '/settings/currencies', '1 GBP'],
    ['users', () => '/settings/users', 'Priya Nair'],
    ['changes', () => '/settings/changes', 'Pipeline Sales'],
    ['nobody', () => '/customers?search=nobody-is-called-this', 'No customer is like that'],
  ],
  support: [
    ['support-inbox', () => '/inbox?view=all', 'Yusuf Demir'],
    ['support-conversation', () => `/sessions/${ids.conversation}?view=unassigned`, 'second control room'],
    ['support-notices', () => '/notices', 'mentioned you'],
    ['support-calls', () => '/calls', 'Log a call'],
    ['support-reports', () => '/reports?span=90d', 'Quick and friendly.'],
    ['support-reported', () => '/reports/conversations?span=90d&outcome=rated', 'Conversations of'],
    ['support-customers', () => '/customers', 'newest first'],
    ['support-customer', () => `/customers/${ids.visitor}`, 'Account manager'],
    ['support-canned', () => '/settings/canned-answers', '/hello'],
    ['support-tags', () => '/settings/tags', 'Billing'],
    ['support-agents', () => '/settings/agents', 'Tom Berglund'],
    ['support-sharing', () => '/settings/sharing', 'Notes of calls'],
    ['support-teams', () => '/settings/teams', 'Lumen & Oak desk'],
    ['support-team', () => `/settings/teams/${ids.team}`, 'Add a holiday'],
    ['support-widgets', () => '/settings/widgets', 'Demo shop'],
    ['support-widget', () => `/settings/widgets/${ids.widget}`, 'Allowed websites'],
    ['support-changes', () => '/settings/changes', 'For administrators'],
    ['support-chatbots', () => '/settings/chatbots', 'Lumi'],
    ['support-chatbot', () => `/settings/chatbots/${ids.chatbot}`, 'Questions'],
  ],
};

/** The pages that are tested on a narrow screen. The others have the same parts, one below the other. */
const mostUsed = new Set([
  'customers',
  'customer',
  'deals',
  'support-inbox',
  'support-conversation',
  'support-team',
  'changes',
]);

/** The pages with their own colours. The others consist of the same parts. */
const inDark = new Set([
  ...mostUsed,
  'reports',
  'support-reports',
  'tasks',
  'inbox',
  'pipelines',
  'users',
  'support-calls',
  'support-agents',
  'support-chatbot',
  'support-team',
]);

const people = { foundation: 'Maya Okafor', support: 'Priya Nair' } as const satisfies Record<string, Persona>;

/**
 * The widths at which a page with parts of its own is measured; a page that consists of the same parts as others only at some of them. A width that is
 * not the present one takes a tenth of a second of a core: the whole page is laid out and painted again.
 */
const widths = [1440, 1920, 1200, 992, 768, 360];
const someWidths = isLong ? [1440, 768, 360] : [1440, 360];
const ofItsOwn = new Set(['customers', 'crowded customer', 'crowded deals', 'support-inbox', 'support-conversation']);

type App = 'foundation' | 'support';
/** A page of each app, which all tests of it share, and the scripts of its start page, with their bytes on the line. */
const opened = new Map<App, Promise<{ page: Page; scripts: Map<string, number> }>>();

function openApp(app: App) {
  const there = opened.get(app) ?? openNew(app);
  opened.set(app, there);
  return there;
}

async function openNew(app: App) {
  const scripts = new Map<string, number>();
  const { page } = await signIn(browser, stack[app], people[app], {
    viewport: wide,
    onResponse(response) {
      if (!response.url().startsWith(stack[app]) || !response.url().endsWith('.js')) return;
      scripts.set(response.url(), Number(response.headers()['content-length'] ?? Number.POSITIVE_INFINITY));
    },
  });
  await page.getByRole('heading', { name: app === 'foundation' ? 'Customers' : 'Mine' }).waitFor();
  await page.waitForLoadState('networkidle');
  return { page, scripts: new Map(scripts) };
}

describe.each(['foundation', 'support'] as const)('%s', (app) => {
  let page: Page;
  beforeAll(async () => {
    ({ page } = await openApp(app));
  });

  // What the app loads ahead does not count: a person who saves data, as here, does not get it.
  test('the start page loads at most 250 KB of script, compressed', async () => {
    const { scripts } = await openApp(app);
    const bytes = [...scripts.values()].reduce((sum, each) => sum + each, 0);
    expect(scripts.size).toBeGreaterThan(1);
    expect(bytes).toBeLessThanOrEqual(256_000);
  });

  /** Each page begins with the scheme that the page before it ended with. */
  let scheme: 'light' | 'dark' = 'light';
  async function look(name: string, colorScheme: typeof scheme, viewport: typeof wide): Promise<void> {
    if (colorScheme !== scheme) await page.emulateMedia({ colorScheme });
    scheme = colorScheme;
    await page.setViewportSize(viewport);
    await page.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
    // A transition of all elements at once, however short, takes the processor half a second; this person asked for none.
    expect(await page.evaluate(`document.getAnimations().filter((each) => each instanceof CSSTransition).length`)).toBe(
      0,
    );
    await page.evaluate(settled);
    const picture = `${name}-${colorScheme}-${viewport === wide ? 'wide' : 'narrow'}`;
    const folder = pictures && shownInDocs.has(picture) ? pictures : process.env.AETHER_LOOK;
    if (folder) await page.screenshot({ path: join(folder, `${picture}.png`) });
  }

  // Those without colours of their own come first, because they are checked in light only.
  const ordered = pages[app].toSorted(([one], [other]) => Number(inDark.has(one)) - Number(inDark.has(other)));
  test.each(ordered)(
    '%s has no barrier in light or dark, does not scroll sideways, and every word and control fits',
    async (name, path, shown) => {
      await page.setViewportSize(wide);
      await follow(page, `${stack[app]}${path()}`);
      await page.getByRole('main').getByText(shown).first().waitFor();
      // Once in each scheme: on a narrow screen, where there is one, in dark.
      const checkDark = async () => {
        if (pictures) await look(name, 'dark', wide);
        const isNarrow = mostUsed.has(name);
        await look(name, 'dark', isNarrow ? narrow : wide);
        expect(await findBarriers(page, isNarrow ? 'all' : 'colours')).toEqual([]);
      };
      const checkLight = async () => {
        if (pictures) await look(name, 'light', narrow);
        await look(name, 'light', wide);
        await expect.poll(() => findBarriers(page)).toEqual([]);
        expect(await measure(page, ofItsOwn.has(name) ? widths : someWidths)).toEqual([]);
      };
      const checks = !inDark.has(name)
        ? [checkLight]
        : scheme === 'dark'
          ? [checkDark, checkLight]
          : [checkLight, checkDark];
      for (const check of checks) await check();
    },
  );
});

/** A visitor's chat that waits for an agent. */
async function startChat(name: string): Promise<string> {
  const url = `${stack.support}/api/widgets/${stack.widgetKey}/sessions`;
  const { body } = await stack.call('POST', url, { body: { name, email: 'hubert@post.example' } });
  const { session_id: id, visitor_token: bearer } = body;
  const say = { client_id: 'fits-1', body: 'Donaudampfschifffahrtselektrizitätenhauptbetriebswerk'.repeat(2) };
  await stack.call('POST', `${stack.support}/api/sessions/${id}/messages`, { bearer, body: say });
  await stack.call('POST', `${stack.support}/api/sessions/${id}/hand-over`, { bearer, body: {} });
  return id;
}

/** The keys that the sheet of keys shows, each with its meaning. */
const readKeys = (page: Page) =>
  page.evaluate<[keys: string, label: string][]>(
    `[...document.querySelectorAll('[role=dialog] .mantine-Stack-root .mantine-Group-root')].filter((row) => row.querySelector('p')).map((row) => [[...row.querySelectorAll('kbd')].map(({ textContent }) => textContent).join(' '), row.querySelector('p').textContent])`,
  );

describe('opened and half filled in, everything fits', () => {
  const keys = new Map<string, string>();
  const open = async (app: App, path: string): Promise<Page> => {
    const { page } = await openApp(app);
    await page.setViewportSize(wide);
    await follow(page, `${stack[app]}${path}`);
    return page;
  };
  // A message is beside the navigation or above everything.
  const messageWidths = [1440, 992, 768, 360];
  const dialog = async (page: Page) => {
    await page.getByRole('dialog').last().waitFor();
    const faults = await measure(page, [wide.width, 360]);
    await page.setViewportSize(wide);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    return faults;
  };
  async function keysAndPalette(page: Page): Promise<void> {
    // The palette gives the focus back a moment after it closes, and in a field ? is a letter.
    await page.evaluate('document.activeElement.blur()');
    await page.locator('body').press('Control+k');
    await page.getByRole('dialog').locator('[data-action][data-selected]').waitFor();
    expect(await dialog(page)).toEqual([]);
    await page.locator('body').press('?');
    await page.getByRole('dialog').getByText('Go to').waitFor();
    // Both apps are open beside each other: where `G` leads does not depend on the app.
    for (const [key, label] of await readKeys(page)) {
      if (!key.startsWith('G ')) continue;
      expect(keys.get(key) ?? label).toBe(label);
      keys.set(key, label);
    }
    expect(keys.size).toBeGreaterThan(3);
    expect(await dialog(page)).toEqual([]);
  }

  test('in Foundation, with its composer, its dialogs and its messages', async () => {
    const page = await open('foundation', `/customers/${ids.crowded || ids.customer}`);
    const composer = page.getByRole('form', { name: 'Add to the timeline' });
    await composer.getByRole('textbox').first().fill('Half written');
    await composer.getByRole('button', { name: 'E-mail' }).click();
    expect(await measure(page, someWidths)).toEqual([]);
    await composer.getByRole('button', { name: 'Task' }).click();
    expect(await measure(page, someWidths)).toEqual([]);
    await page.setViewportSize(wide);
    await page.getByRole('button', { name: /^New deal with/ }).click();
    expect(await dialog(page)).toEqual([]);
    await page.getByRole('checkbox').first().click();
    await page.getByRole('button', { name: 'Undo' }).waitFor();
    expect(await measure(page, messageWidths)).toEqual([]);
    await page.setViewportSize(wide);
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByRole('link', { name: /JPY/ }).first().click();
    await page.getByRole('button', { name: 'Won', exact: true }).click();
    expect(await dialog(page)).toEqual([]);
    await keysAndPalette(page);
  });

  test('in Support, with its composer, its dialogs and its messages', async () => {
    const chat = await startChat('Hubert Blaine Wolfeschlegelsteinhausenbergerdorff');
    const page = await open('support', `/sessions/${chat}?view=unassigned`);
    await page.getByRole('main').getByRole('button', { name: 'Claim' }).click();
    await page.getByRole('button', { name: 'Undo' }).waitFor();
    expect(await measure(page, messageWidths)).toEqual([]);
    await page.setViewportSize(wide);
    for (const key of ['t', 's', 'e', 'm']) {
      await page.locator('body').press(key);
      expect(await dialog(page)).toEqual([]);
    }
    await page.locator('body').press('/');
    await page.getByRole('listbox').waitFor();
    expect(await measure(page, someWidths)).toEqual([]);
    await page.keyboard.press('Escape');
    await page.locator('body').press('n');
    await page.keyboard.type('Half written');
    expect(await measure(page, someWidths)).toEqual([]);
    await page.setViewportSize(wide);
    await keysAndPalette(page);
  });
});

test('what does not fit is found: each fault has its sentence, and a page without a fault has none', async () => {
  const page = await browser.newPage({ viewport: { width: 400, height: 300 } });
  const button = (style: string, words = 'Add call') => `<button style="white-space:nowrap;${style}">${words}</button>`;
  const faulty: [html: string, fault: RegExp][] = [
    [button('width:30px;overflow:hidden;padding:0'), /^cut off at the side: “Add call”/],
    [button('width:30px;padding:0;border:0'), /^smaller than its words: “Add call”/],
    [button('position:absolute;left:380px'), /^beside the screen: “Add call”/],
    [button('position:absolute;top:290px'), /^below the screen: “Add call”/],
    [`${button('position:absolute;top:9px')}${button('position:absolute;top:20px', 'Send')}`, /^under “Send”/],
    ['<p style="width:40px;overflow-wrap:anywhere">€21,700</p>', /^broken within €21,700/],
    ['<p style="width:20px;overflow-wrap:anywhere">Enter</p>', /^broken within Enter/],
    ['<p style="width:40px">Donaudampfschiff</p>', /^wider than its box/],
    ['<p style="height:9px;overflow:hidden">Nora</p>', /^cut off below: “Nora”/],
    [
      '<p style="width:9px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">Nora Lind</p>',
      /^nothing left of it/,
    ],
    ['<div style="width:90px;overflow:auto"><p style="width:200px">Nora</p></div>', /^scrolls sideways by 110 px/],
    ['<input type="date" style="width:50px">', /^narrower than its date/],
    ['<input placeholder="A name or a command" style="width:50px">', /^narrower than “A name or a command”/],
    ['<button style="width:8px;height:8px;padding:0"></button>', /^too small to be hit/],
  ];
  for (const [html, fault] of faulty) {
    await page.setContent(`<!doctype html><body style="margin:0">${html}`);
    expect(await page.evaluate(findMisfits), html).toContainEqual(expect.stringMatching(fault));
  }
  await page.setContent(`<!doctype html><body style="margin:0">
    ${button('')} <input type="date"> <p style="width:80px">€21,700 + US$300, twenty-three</p>
    <p style="width:90px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis">Wolfeschlegelsteinhausen</p>
    <div style="width:90px;overflow:auto" data-sideways><p style="width:200px">A board</p></div>`);
  expect(await page.evaluate(findMisfits)).toEqual([]);
  await page.close();
});
