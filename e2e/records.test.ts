import type { Browser, Locator, Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { openBrowser, undoLast } from './testing.browser.ts';
import { measure, settled } from './testing.measure.ts';
import { findMisfits } from './testing.misfits.mjs';
import { follow, type Stack, signIn, startStack } from './testing.stack.ts';

let browser: Browser;
let stack: Stack;
let maya: Page;
let errors: string[];
let unique = 0;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  ({ page: maya, errors } = await signIn(browser, stack.foundation, 'Maya Okafor'));
}, 240_000);
afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

const api = (method: string, path: string, body?: unknown, as = 'maya') =>
  stack.call(method, `${stack.foundation}${path}`, { as, body });
const open = (path: string, page = maya) => follow(page, `${stack.foundation}${path}`);
/** Loads the app again: without the lists that the page knows and the messages that it shows. */
const load = (path: string, page = maya) => page.goto(`${stack.foundation}${path}`);
const newCustomer = async (name: string) =>
  (await api('POST', '/api/customers', { name, email: `record${++unique}@example.com` })).body;
const seen = (locator: Locator) => locator.first().waitFor();
const field = (name: string) => maya.getByRole('button', { name: new RegExp(`^${name}: `) });
const timeline = () => maya.getByRole('region', { name: /Timeline|History/ });

/** Takes pictures if AETHER_LOOK is set: light and dark, wide and narrow. */
async function look(name: string): Promise<void> {
  const folder = process.env.AETHER_LOOK;
  if (!folder) return;
  const size = maya.viewportSize();
  for (const colorScheme of ['light', 'dark'] as const)
    for (const width of [1440, 390]) {
      await maya.emulateMedia({ colorScheme });
      await maya.setViewportSize({ width, height: 844 });
      await maya.screenshot({ path: `${folder}/${name}-${colorScheme}-${width}.png` });
    }
  await maya.emulateMedia({ colorScheme: 'light' });
  if (size) await maya.setViewportSize(size);
}

test('J and K walk through the records of a list, and the way back leads to the same place', async () => {
  // A list that the page knows is shown until the server's answer replaces it, and its rows then move.
  await load('/customers?sort=name');
  await seen(maya.getByRole('table', { name: 'Customers' }).getByRole('link'));
  // By its place, not by its name, because several customers may have one name; and both in one look, because a list that scrolls draws other rows.
  const read = () =>
    maya.evaluate<{ index: number; names: string[] }>(`{
      const links = [...document.querySelectorAll('[role=table][aria-label=Customers] a[href]')];
      ({ index: links.indexOf(document.activeElement), names: links.map((link) => link.innerText) });
    }`);
  // A key that comes before the rows do moves nothing.
  let { index, names } = await read();
  for (let n = 0; n < 40 && index <= 5; n++) {
    await maya.keyboard.press('j');
    ({ index, names } = await read());
  }
  const chosen = names[index] ?? '';
  expect(index).toBeGreaterThan(5);
  await maya.keyboard.press('Enter');
  await seen(maya.getByRole('heading', { name: chosen }));
  await seen(maya.getByText(new RegExp(`^${index + 1} of \\d+`)));
  await maya.keyboard.press('j');
  await seen(maya.getByRole('heading', { name: names[index + 1] }));
  await maya.keyboard.press('k');
  await seen(maya.getByRole('heading', { name: chosen }));
  await maya.keyboard.press('j');
  await seen(maya.getByRole('heading', { name: names[index + 1] }));
  await maya.getByRole('heading').getByRole('link', { name: 'Customers' }).click();
  await maya.waitForURL(/\/customers\?sort=name/);
  await seen(maya.locator('a:focus', { hasText: names[index + 1] }));
});

test('many customers are chosen by keyboard, get a tag in one act that says what it did, and lose it by undo', async () => {
  await api('POST', '/api/tags', { name: 'Chosen together', colour: 'green' });
  for (const name of ['Many One', 'Many Two', 'Many Three']) await newCustomer(name);
  await load('/customers?search=many&sort=name');
  const box = (name: string) => maya.getByRole('checkbox', { name: `Choose ${name}` });
  await box('Many Three').waitFor();
  await maya.keyboard.press('j');
  await maya.keyboard.press('x');
  await maya.keyboard.press('Shift+ArrowDown');
  await maya.keyboard.press('Shift+ArrowDown');
  const bar = maya.getByRole('region', { name: 'What to do with the chosen rows' });
  await bar.getByText('3 chosen').waitFor();
  await look('chosen');
  expect(await findBarriers(maya)).toEqual([]);
  expect(await maya.evaluate(findMisfits)).toEqual([]);
  await bar.getByRole('button', { name: 'Tier' }).click();
  const take = maya.getByRole('button', { name: 'Take the tier away' });
  await take.focus();
  await maya.keyboard.press('Escape');
  await take.waitFor({ state: 'detached' });
  await bar.getByText('3 chosen').waitFor();
  await bar.getByRole('button', { name: 'Tag' }).click();
  await maya.getByRole('combobox', { name: 'Tag', exact: true }).fill('Chosen tog');
  await maya.getByRole('option', { name: 'Chosen together' }).waitFor();
  await maya.keyboard.press('ArrowDown');
  await maya.keyboard.press('Enter');
  await seen(maya.getByText('3 customers have the tag now.'));
  const tagged = maya.getByRole('row').filter({ hasText: 'Chosen together' });
  await expect.poll(() => tagged.count()).toBe(3);
  await undoLast(maya);
  await seen(maya.getByText('Undone for 3 customers.'));
  await expect.poll(() => tagged.count()).toBe(0);
  await maya.keyboard.press('Escape');
  await bar.waitFor({ state: 'detached' });
});

test('a row shows the tags that it has room for, and how many more there are', async () => {
  const { id } = await newCustomer('Three Tags');
  const tags = ['Knows our founder', 'Rather by telephone', 'Waits for an offer'];
  for (const name of tags) {
    const { body: tag } = await api('POST', '/api/tags', { name, colour: 'blue' });
    await api('POST', `/api/customers/${id}/tags`, { tag_id: tag.id });
  }
  await load('/customers?search=three+tags');
  const row = maya.getByRole('row').filter({ hasText: 'Three Tags' });
  const shown = async (width: number) => {
    await maya.setViewportSize({ width, height: 844 });
    await maya.evaluate(settled);
    return (await row.getByTitle(tags.join(', ')).innerText()).split(/\s*\n\s*/);
  };
  await seen(row);
  expect(await shown(1920)).toEqual([...tags.slice(0, 2), '+1']);
  await look('tags');
  expect(await shown(1200)).toEqual([tags[0], '+2']);
  expect(await measure(maya, [1920, 1440, 1200, 992, 768])).toEqual([]);
});

test('two Ctrl+Z undo two changes of one’s own, but no change by another person', async () => {
  const customer = await newCustomer('Undo Twice');
  await open(`/customers/${customer.id}`);
  const set = async (phone: string) => {
    await field('Phone').click();
    await maya.getByRole('textbox', { name: 'Phone' }).fill(phone);
    await maya.getByRole('textbox', { name: 'Phone' }).press('Enter');
    await seen(field('Phone').filter({ hasText: phone }));
  };
  await set('+44 20 7946 0001');
  await set('+44 20 7946 0002');
  await maya.locator('body').click({ position: { x: 5, y: 5 } });
  await maya.keyboard.press('Control+z');
  await seen(field('Phone').filter({ hasText: '+44 20 7946 0001' }));
  await seen(maya.getByText('Undone.'));
  await maya.keyboard.press('Control+z');
  await expect.poll(async () => (await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBeNull();
  await field('Phone').filter({ hasText: '0001' }).waitFor({ state: 'detached' });
  await set('+44 20 7946 0003');
  await api('PATCH', `/api/customers/${customer.id}`, { phone: '+44 20 7946 0009' }, 'jonas');
  await seen(field('Phone').filter({ hasText: '+44 20 7946 0009' }));
  await maya.locator('body').click({ position: { x: 5, y: 5 } });
  await maya.keyboard.press('Control+z');
  await seen(maya.getByText('Could not be undone'));
  expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBe('+44 20 7946 0009');
});

describe('the timeline', () => {
  test('counts entries of others for yesterday as new, and shows all of them', async () => {
    const customer = await newCustomer('Busy Person');
    const note = (description: string, occurred_at?: string) =>
      api('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description, occurred_at }, 'jonas');
    await note('The first', new Date(Date.now() - 5 * 86_400_000).toISOString());
    await open(`/customers/${customer.id}`);
    await seen(timeline().getByText('The first'));
    await note('Of yesterday', new Date(Date.now() - 86_400_000).toISOString());
    await maya.getByRole('button', { name: '1 new' }).click();
    await seen(timeline().getByText('Of yesterday'));
    for (let n = 1; n <= 45; n++) await note(`Flood ${n}.`);
    await seen(maya.getByRole('button', { name: /^\d\d new$/ }));
    await expect
      .poll(async () => {
        await maya
          .getByRole('button', { name: /^\d+ new$/ })
          .click({ timeout: 500 })
          .catch(() => {});
        return timeline().getByText('Flood 45.').count();
      })
      .toBe(1);
    // Older ones come as the end is in sight.
    const entries = timeline().getByText(/^(Flood \d+\.|The first)$/);
    await expect
      .poll(async () => {
        await entries.last().scrollIntoViewIfNeeded();
        return (await entries.allTextContents()).at(-1);
      })
      .toBe('The first');
    expect(new Set(await entries.allTextContents()).size).toBe(46);
  });

  test('lets people correct their own entries, and enter them for another time', async () => {
    const customer = await newCustomer('Edited Person');
    await api('POST', `/api/customers/${customer.id}/activities`, { type: 'note', description: 'Tom’s words' }, 'tom');
    await open(`/customers/${customer.id}`);
    await maya.getByRole('button', { name: 'Call', exact: true }).click();
    await maya.getByLabel('What was said?').fill('Wants a quoet');
    await maya.getByLabel('When; empty is now').fill('2026-01-15T10:30');
    await maya.getByRole('button', { name: 'Add call' }).click();
    await seen(
      timeline()
        .getByRole('region', { name: /15 Jan/ })
        .getByText('Wants a quoet'),
    );
    await timeline().getByText('Wants a quoet').hover();
    await maya.getByRole('button', { name: 'Edit: Wants a quoet' }).click();
    await maya.getByLabel('What was written').fill('Wants a quote');
    await maya.getByRole('button', { name: 'Save', exact: true }).click();
    await seen(timeline().getByText('Wants a quote'));
    const { page: jonas, leave } = await signIn(browser, stack.foundation, 'Jonas Weber');
    await open(`/customers/${customer.id}`, jonas);
    await seen(jonas.getByText('Tom’s words'));
    expect(await jonas.getByRole('button', { name: /^Edit: / }).count()).toBe(0);
    await leave();
  });
});

describe('what is half-written', () => {
  const draftOf = (name: string) => maya.getByLabel(name, { exact: true });

  test('in the timeline and in a field is there again after another page and a reload, and is sent from any field', async () => {
    const customer = await newCustomer('Half Written');
    await open(`/customers/${customer.id}`);
    await maya.getByRole('button', { name: 'Task', exact: true }).click();
    await draftOf('What is to be done?').fill('Send the contract');
    await field('Phone').click();
    await maya.getByRole('textbox', { name: 'Phone' }).fill('+44 20 7946 0055');
    await maya.goBack();
    await open(`/customers/${customer.id}`);
    expect(await draftOf('What is to be done?').inputValue()).toBe('Send the contract');
    expect(await maya.getByRole('textbox', { name: 'Phone' }).inputValue()).toBe('+44 20 7946 0055');
    expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBeNull();
    await maya.getByRole('textbox', { name: 'Phone' }).press('Enter');
    await seen(field('Phone').filter({ hasText: '0055' }));
    await draftOf('Due on').fill('2031-05-06');
    await maya.keyboard.press('Control+Enter');
    await seen(timeline().getByRole('checkbox', { name: 'Send the contract' }));
    expect(await draftOf('What is to be done?').inputValue()).toBe('');
    expect(await maya.evaluate(`Object.keys(localStorage).join()`)).not.toContain('Half');
  });

  test('without a connection waits in its place, and says when it was sent', async () => {
    const customer = await newCustomer('Offline Writer');
    await load(`/customers/${customer.id}`);
    await draftOf('What should others know?').fill('Written in the train');
    await maya.context().setOffline(true);
    await maya.keyboard.press('Control+Enter');
    const waiting = maya.getByRole('list', { name: 'Not sent yet' });
    await seen(waiting.getByText(/waits for the connection/));
    await seen(waiting.getByText('Written in the train'));
    await maya.context().setOffline(false);
    await seen(maya.getByText(/“Written in the train” was sent at .* waited for the connection since/));
    await maya.setViewportSize({ width: 1280, height: 500 });
    await expect.poll(() => maya.evaluate(findMisfits)).toEqual([]); // the message, once it has slid in, covers no link of the navigation
    await maya.setViewportSize({ width: 1440, height: 900 });
    await seen(timeline().getByRole('list').getByText('Written in the train'));
    await waiting.waitFor({ state: 'detached' });
    errors.splice(0); // the browser reports each request without a connection
  });

  test('that was not sent when its tab was closed is sent by another tab of the person, once', async () => {
    const customer = await newCustomer('Two Tabs');
    const other = await maya.context().newPage();
    await other.route(/\/activities$/, (route) => route.abort());
    const lines: string[] = [];
    other.on('request', (request) => void (/\/api\/events/.test(request.url()) && lines.push(request.url())));
    await open(`/customers/${customer.id}`, other);
    // Of two tabs one has the line, and both show what happens.
    await seen(other.getByText('Live', { exact: true }));
    await api('PATCH', `/api/customers/${customer.id}`, { phone: '+44 20 7946 0077' }, 'jonas');
    await seen(other.getByText('+44 20 7946 0077'));
    expect(lines).toEqual([]);
    await other.getByRole('textbox', { name: 'What should others know?' }).fill('Left behind');
    await other.keyboard.press('Control+Enter');
    await seen(other.getByRole('list', { name: 'Not sent yet' }).getByText('Left behind'));
    await other.close({ runBeforeUnload: false });
    await seen(maya.getByText(/“Left behind” was sent at/));
    const { entries } = (await api('GET', `/api/customers/${customer.id}/timeline`)).body;
    expect(entries.filter(({ description }: { description: string }) => description === 'Left behind')).toHaveLength(1);
  });

  test('in a form that needs the server’s answer stays a draft, and the form says that nothing was sent', async () => {
    await open('/deals');
    await maya.getByRole('button', { name: 'New deal' }).click();
    const dialog = maya.getByRole('dialog', { name: 'New deal' });
    await dialog.getByRole('combobox', { name: 'Customer' }).fill('Two Tabs');
    await maya.getByRole('option', { name: /Two Tabs/ }).click();
    await dialog.getByRole('textbox', { name: 'Name' }).fill('Tunnel deal');
    await maya.context().setOffline(true);
    await maya.keyboard.press('Control+Enter');
    await seen(dialog.getByText('No connection: kept here as a draft, nothing was sent.'));
    await maya.context().setOffline(false);
    await maya.keyboard.press('Control+Enter');
    await dialog.waitFor({ state: 'detached' });
    errors.splice(0); // the browser reports each request without a connection
  });
});

describe('a picker', () => {
  test('shows all choices when it is opened, and what is typed over its value is what is stored', async () => {
    const customer = await newCustomer('Swiss Person');
    const deal = (await api('POST', '/api/deals', { customer_id: customer.id, name: 'Swiss deal', amount: 10 })).body;
    const currency = async () => (await api('GET', `/api/deals/${deal.id}`)).body.currency;
    const input = () => maya.getByRole('combobox', { name: 'Currency' });
    await open(`/deals/${deal.id}`);
    await field('Currency').click();
    await seen(maya.getByRole('option', { name: 'EUR', exact: true }));
    expect(await maya.getByRole('option').count()).toBeGreaterThan(20);
    await maya.keyboard.type('chf');
    expect(await input().inputValue()).toBe('chf');
    await maya.keyboard.press('Escape');
    await seen(field('Currency').filter({ hasText: 'EUR' }));
    expect(await currency()).toBe('EUR');
    await field('Currency').click();
    await maya.keyboard.type('CHF');
    await maya.keyboard.press('Enter');
    await seen(field('Currency').filter({ hasText: 'CHF' }));
    expect(await currency()).toBe('CHF');
  });

  test('takes the only hit of a search with Enter, and a form says once and plainly what is missing', async () => {
    await newCustomer('Enrica Enterkey');
    await open('/deals');
    await maya.getByRole('button', { name: 'New deal' }).click();
    const dialog = maya.getByRole('dialog', { name: 'New deal' });
    await dialog.getByLabel('Name').fill('Typed deal');
    await maya.keyboard.press('Enter');
    await seen(dialog.getByText('Choose the customer.'));
    expect(await dialog.getByText('Choose the customer.').count()).toBe(1);
    expect(await dialog.getByText(/UUID/).count()).toBe(0);
    await maya.keyboard.type('enterkey');
    await maya.keyboard.press('Enter');
    await expect.poll(() => dialog.getByLabel('Customer').inputValue()).toMatch(/^Enrica Enterkey · /);
    expect(await dialog.getByText('Choose the customer.').count()).toBe(0);
    await maya.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await maya.reload();
    await maya.getByRole('button', { name: 'New deal' }).click();
    expect(await dialog.getByLabel('Name').inputValue()).toBe('Typed deal');
    expect(await dialog.getByLabel('Customer').inputValue()).toMatch(/^Enrica Enterkey · /);
    await dialog.getByLabel('Amount').fill('12');
    await maya.keyboard.press('Control+Enter');
    await seen(maya.getByText('Typed deal was created.'));
  });
});

test('a new customer who is there already is hinted at while a person types, and is created all the same', {
  timeout: 120_000,
}, async () => {
  const { body } = await api('POST', '/api/customers', {
    name: 'Cunigunde Rauschenbach',
    email: `cuni${++unique}@rauschenbach.example`,
    phone: '+49 89 5550 4711',
  });
  const draft = { name: 'Kunigunde Rauschenbach', phone: '+49 (0)89 55504711' };
  await expect.poll(async () => (await api('POST', '/api/customers/similar', draft)).body.similar.length).toBe(1);
  await open('/customers');
  await maya.getByRole('button', { name: 'New customer' }).first().click();
  const dialog = maya.getByRole('dialog', { name: 'New customer' });
  await dialog.getByLabel('Name').fill('Kunigunde Rauschenbach');
  await dialog.getByLabel('E-mail').fill('kunigunde@elsewhere.example');
  await dialog.getByLabel('Phone').fill('+49 (0)89 55504711');
  const hint = dialog.getByRole('link', { name: /^Cunigunde Rauschenbach, cuni/ });
  await seen(hint);
  await seen(dialog.getByText(/the telephone number is the same/));
  expect(await hint.getAttribute('href')).toBe(`/customers/${body.id}`);
  await dialog.getByLabel('Phone').focus();
  await maya.keyboard.press('Tab');
  await seen(dialog.locator('a:focus', { hasText: 'Cunigunde' }));
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ] as const) {
    await maya.setViewportSize({ width, height });
    await expect.poll(() => maya.evaluate(findMisfits), { message: `${width} px` }).toEqual([]);
    for (const colorScheme of ['light', 'dark'] as const) {
      if (!process.env.AETHER_LOOK) continue;
      await maya.emulateMedia({ colorScheme });
      await maya.screenshot({ path: `${process.env.AETHER_LOOK}/hint-foundation-${width}-${colorScheme}.png` });
    }
  }
  expect(await findBarriers(maya)).toEqual([]);
  await maya.emulateMedia({ colorScheme: null });
  await dialog.getByRole('button', { name: 'Create' }).click();
  await seen(maya.getByText('Kunigunde Rauschenbach was created.'));
});

test('a deal shows its own history, and an entry on its page belongs to the deal', async () => {
  const customer = await newCustomer('Deal History');
  const make = async (name: string) =>
    (await api('POST', '/api/deals', { customer_id: customer.id, name, amount: 10 })).body;
  const deal = await make('Shown deal');
  await make('Another deal');
  await open(`/deals/${deal.id}`);
  await seen(timeline().getByText('Deal created'));
  await maya.getByLabel('What should others know?').fill('Belongs to the deal');
  await maya.getByRole('button', { name: 'Add note' }).click();
  await seen(timeline().getByText('Belongs to the deal'));
  expect(await timeline().getByText('Another deal').count()).toBe(0);
  const { entries } = (await api('GET', `/api/customers/${customer.id}/timeline?deal=${deal.id}&kind=activity`)).body;
  expect(entries).toMatchObject([{ description: 'Belongs to the deal', deal_id: deal.id }]);
});

test('an administrator adds a tier, orders and retires it, and the choices follow', async () => {
  await open('/settings/tiers');
  await maya.getByRole('button', { name: 'New tier' }).click();
  const dialog = maya.getByRole('dialog', { name: 'New tier' });
  await dialog.getByRole('textbox', { name: 'Label' }).fill('Very good');
  expect(await dialog.getByRole('textbox', { name: 'Key' }).inputValue()).toBe('very-good');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const labels = async () => (await api('GET', '/api/tiers')).body.tiers.map(({ label }: { label: string }) => label);
  await expect.poll(async () => (await labels()).at(-1)).toBe('Very good');
  await maya.getByRole('button', { name: 'Move Very good up' }).click();
  await expect.poll(async () => (await labels()).at(-2)).toBe('Very good');
  await maya.getByRole('button', { name: 'Retire Very good' }).click();
  await seen(maya.getByText('Retired'));
  const customer = await newCustomer('Tiered Person');
  await open(`/customers/${customer.id}`);
  await field('Tier').click();
  await seen(maya.getByRole('option', { name: 'Premium', exact: true }));
  expect(await maya.getByRole('option', { name: 'Very good' }).count()).toBe(0);
  await maya.getByRole('option', { name: 'Premium', exact: true }).click();
  await seen(field('Tier').filter({ hasText: 'Premium' }));
  await open('/settings/tiers');
  await maya.getByRole('button', { name: 'Remove Premium' }).click();
  await seen(maya.getByText(/Customers have the tier Premium/));
  await maya.getByRole('button', { name: 'Remove Very good' }).click();
  await seen(maya.getByText('Very good was removed.'));
});

test('a closed deal shows its closing; reopening it reports that the tier stays, and undo closes the deal again', async () => {
  const deal = (await api('POST', '/api/deals', { customer_id: (await newCustomer('Reopened')).id, name: 'Once won' }))
    .body;
  await api('POST', `/api/deals/${deal.id}/close`, { outcome: 'won', tier: 'premium' });
  await open(`/deals/${deal.id}`);
  const closing = maya.getByRole('region', { name: 'Closing' });
  await seen(closing.getByText('Premium'));
  await expect.poll(() => closing.innerText()).toMatch(/Won.*Closed by.*Maya.*Closed at.*Premium instead of\s+none/s);
  await maya.getByRole('button', { name: 'Open again in…' }).click();
  await maya.getByRole('menuitem', { name: 'Proposal' }).click();
  await seen(maya.getByText('Once won is open again, in Proposal. The customer’s tier stays as it is.'));
  await undoLast(maya);
  await expect.poll(async () => (await api('GET', `/api/deals/${deal.id}`)).body.status).toBe('won');
});

test('a deal has several contacts with their parts; another one becomes primary, one is removed, and undo takes both back', async () => {
  const company = (await api('POST', '/api/companies', { name: `Board House ${++unique}` })).body;
  const [ada, bea] = [await newCustomer('Ada Primary'), await newCustomer(`Bea Board ${unique}`)];
  for (const { id } of [ada, bea]) await api('PATCH', `/api/customers/${id}`, { company_id: company.id });
  const deal = (await api('POST', '/api/deals', { customer_id: ada.id, name: 'Roof of many' })).body;
  await open(`/deals/${deal.id}`);
  const contacts = maya.getByRole('region', { name: 'Contacts' });
  await seen(contacts.getByText('Primary'));
  await contacts.getByRole('button', { name: 'Add a contact to Roof of many' }).press('Enter');
  const dialog = maya.getByRole('dialog', { name: 'New contact of the deal' });
  await dialog.getByLabel('Customer').fill(`Bea Board ${unique}`);
  await maya.getByRole('option', { name: /^Bea Board/ }).click();
  await dialog.getByLabel('Part').fill('Decision');
  await maya.getByRole('option', { name: 'Decision maker' }).click();
  await look('deal-new-contact');
  await dialog.getByRole('button', { name: 'Add' }).click();
  const ofBea = contacts.getByRole('listitem').filter({ hasText: 'Bea Board' });
  await seen(ofBea.getByText(`Decision maker · Board House`));
  await seen(
    timeline()
      .getByText('Added to a deal')
      .or(maya.getByRole('button', { name: '1 new' })),
  );
  await look('deal-contacts');
  expect(await maya.evaluate(findMisfits)).toEqual([]);
  expect(await findBarriers(maya)).toEqual([]);
  const choose = async (act: string) => {
    await ofBea.getByRole('button', { name: /^What to do with/ }).click();
    await maya.getByRole('menuitem', { name: act }).click();
  };
  await choose('Make primary');
  await seen(ofBea.getByText('Primary'));
  await undoLast(maya);
  await seen(contacts.getByRole('listitem').filter({ hasText: 'Ada Primary' }).getByText('Primary'));
  await choose('Remove from the deal');
  await ofBea.waitFor({ state: 'detached' });
  await undoLast(maya);
  await seen(ofBea.getByText('Decision maker'));
  // Whose the deal is and who else is in it stand on the pages of both sides.
  await open(`/companies/${company.id}`);
  await seen(maya.getByRole('link', { name: /Roof of many.*with Bea Board \d+ \(Decision maker\)/s }));
  await look('company-deal-contacts');
  await open(`/customers/${bea.id}`);
  await seen(maya.getByRole('link', { name: /Roof of many.*With Ada Primary, here as Decision maker/s }));
  await seen(timeline().getByText('Added to a deal'));
  await look('customer-as-contact');
  await api('PUT', `/api/deals/${deal.id}/contacts/${bea.id}`, { role: 'Legal' }, 'tom');
  await seen(maya.getByRole('link', { name: /Roof of many.*here as Legal/s }));
});

test('a removed contact comes back by undo', async () => {
  const company = (await api('POST', '/api/companies', { name: `Contact House ${++unique}` })).body;
  await api('POST', `/api/companies/${company.id}/contacts`, { name: 'Carla Contact', title: 'Buyer' });
  await open(`/companies/${company.id}`);
  await maya.getByRole('button', { name: 'Change Carla Contact' }).click();
  await maya.getByRole('button', { name: 'Remove from the contacts' }).click();
  await seen(maya.getByText('Nobody yet. Add who decides'));
  await undoLast(maya);
  await seen(maya.getByRole('button', { name: 'Change Carla Contact' }));
});

test('of two administrators who change a pipeline the second keeps their version until they take the other’s', async () => {
  const pipeline = (await api('POST', '/api/pipelines', { name: 'Contested' })).body;
  await load('/settings/pipelines');
  const editor = maya.getByRole('region', { name: 'Contested' });
  await editor.getByLabel('Name of Contested').fill('Mine');
  await api('PUT', `/api/pipelines/${pipeline.id}/stages`, {
    stages: pipeline.stages.map((stage: { name: string }, index: number) =>
      index === 0 ? { ...stage, name: 'Theirs' } : stage,
    ),
  });
  await editor.getByRole('button', { name: /^Save/ }).click();
  await seen(editor.getByText(/Theirs has the stages Theirs, /));
  expect(await editor.getByLabel('Name of Contested').inputValue()).toBe('Mine');
  await editor.getByRole('button', { name: 'Take theirs, and begin again' }).click();
  expect(await editor.getByLabel('Name of Contested').inputValue()).toBe('Contested');
  await editor.getByLabel('Name of Contested').fill('Mine');
  await editor.getByRole('button', { name: /^Save/ }).click();
  await seen(maya.getByText('Mine was saved.'));
});

test('an administrator sees the sign-ins of a user, and ends them', async () => {
  const { page: tom, leave } = await signIn(browser, stack.foundation, 'Tom Berglund');
  await open('/settings/users');
  await maya.getByRole('button', { name: 'Sign-ins of Tom Berglund' }).click();
  const dialog = maya.getByRole('dialog', { name: 'Where Tom Berglund is signed in to Foundation' });
  await seen(dialog.getByText(/Chrome on Linux/));
  await dialog.getByRole('button', { name: 'Sign out everywhere' }).click();
  await seen(dialog.getByText('Nowhere at the moment.'));
  await load('/customers', tom);
  await seen(tom.getByRole('button', { name: 'Tom Berglund' })); // the choice of a persona
  expect(new URL(tom.url()).origin).not.toBe(stack.foundation);
  await leave();
});

test('a company takes in who has its domain, is offered to new customers, and shows what happened with them and what its deals sum up to', async () => {
  const domain = `house${++unique}.example.org`;
  const made = (name: string) => api('POST', '/api/customers', { name, email: `${name.toLowerCase()}@${domain}` });
  const [ada, bea] = [(await made('Ada')).body, (await made('Bea')).body];
  await open('/companies?create=true');
  const dialog = maya.getByRole('dialog', { name: 'New company' });
  await dialog.getByLabel('Name').fill('House of Domains');
  await dialog.getByLabel('Domain').fill(domain);
  await maya.keyboard.press('Enter');
  await seen(maya.getByText(`2 customers with an address at ${domain} have no company.`));
  await look('company-empty');
  expect(await maya.evaluate(findMisfits)).toEqual([]);
  await maya.getByRole('button', { name: 'Take all 2 in' }).click();
  const people = maya.getByRole('region', { name: 'Customers' });
  await seen(people.getByRole('link', { name: /^Ada/ }));
  await undoLast(maya);
  await maya.getByRole('button', { name: 'Take all 2 in' }).click();
  await seen(people.getByRole('link', { name: /^Bea/ }));
  const deal = { customer_id: ada.id, name: 'Renewal', amount: 1200, currency: 'EUR' };
  const { id } = (await api('POST', '/api/deals', deal)).body;
  await api('POST', '/api/deals', { ...deal, name: 'Extension', amount: 12.345, currency: 'KWD' });
  await api('POST', `/api/deals/${id}/close`, { outcome: 'won' });
  await api('POST', `/api/customers/${ada.id}/activities`, { type: 'call', description: 'They want two more.' });
  const entry = timeline().getByRole('listitem').filter({ hasText: 'They want two more.' });
  await seen(entry.getByRole('link', { name: 'Ada' }));
  await seen(people.getByText(/Call, /));
  await look('company-full');
  expect(await maya.evaluate(findMisfits)).toEqual([]);
  expect(await findBarriers(maya)).toEqual([]);
  // What is written on the company itself stands between them, also if somebody else writes it.
  await maya.keyboard.press('n');
  await maya.keyboard.type('They sign in March');
  await maya.keyboard.press('Control+Enter');
  const ownNote = timeline().getByRole('listitem').filter({ hasText: 'They sign in March' });
  await seen(ownNote);
  expect(await ownNote.getByRole('button', { name: /^Move to another customer/ }).count()).toBe(0);
  const { id: companyId } = (await api('GET', `/api/customers/${ada.id}`)).body.company;
  await api(
    'POST',
    `/api/companies/${companyId}/activities`,
    { type: 'call', description: 'Their board agrees.' },
    'tom',
  );
  await seen(
    timeline()
      .getByText('Their board agrees.')
      .or(maya.getByRole('button', { name: /^\d+ new$/ })),
  );
  // Another person changes a customer, a deal and whose the company is: all are on the open page at once.
  await api('PATCH', `/api/customers/${bea.id}`, { name: 'Beatrix' });
  await seen(people.getByRole('link', { name: /^Beatrix/ }));
  const extension = (await api('GET', `/api/deals?search=Extension&limit=200`)).body.deals.find(
    ({ customer }: { customer: { id: string } }) => customer.id === ada.id,
  );
  await api('PATCH', `/api/deals/${extension.id}`, { amount: 20.5 });
  await seen(maya.getByRole('link', { name: /^Open: 1 deal, .*20\.500/ }));
  expect(await field('Owner').innerText()).toContain('Maya Okafor');
  await field('Owner').press('Enter');
  await maya.getByRole('option', { name: 'Tom Berglund' }).click();
  await seen(field('Owner').getByText('Tom Berglund'));
  await undoLast(maya);
  await seen(field('Owner').getByText('Maya Okafor'));
  await maya.getByRole('link', { name: /^Won: 1 deal, / }).click();
  const deals = maya.getByRole('table', { name: 'Deals' });
  await seen(deals.getByRole('link', { name: 'Renewal' }));
  expect(await deals.getByRole('link', { name: 'Extension' }).count()).toBe(0);
  await open('/companies');
  await maya.getByRole('link', { name: 'Mine' }).click();
  await seen(maya.getByRole('table', { name: 'Companies' }).getByRole('link', { name: 'House of Domains' }));
  await look('companies-mine');
  await maya.getByRole('link', { name: 'Without an owner' }).click();
  await maya.getByRole('link', { name: 'House of Domains' }).waitFor({ state: 'detached' });
  await open('/customers?create=true');
  const form = maya.getByRole('dialog', { name: 'New customer' });
  await form.getByLabel('Name').fill('Cleo');
  await form.getByLabel('E-mail').fill(`cleo@mail.${domain}`);
  const offer = form.getByRole('button', { name: 'Choose House of Domains' });
  await seen(offer);
  await look('company-offered');
  await offer.press('Enter');
  await offer.waitFor({ state: 'detached' });
  await form.getByRole('button', { name: 'Create' }).click();
  await seen(maya.getByRole('heading', { name: 'Cleo' }));
  await seen(maya.getByRole('link', { name: /^House of Domains/ }));
});
