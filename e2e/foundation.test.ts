import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { intercept, type OwnPage, openBrowser, undoLast } from './testing.browser.ts';
import { measure, narrow, settled, wide } from './testing.measure.ts';
import { choose, follow, type Persona, type Stack, signIn, startStack } from './testing.stack.ts';

let browser: Browser;
let stack: Stack;
let maya: Page;
let errors: string[];
let unique = 0;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  ({ page: maya, errors } = await signIn(browser, stack.foundation, 'Maya Okafor', { hasMotion: true }));
}, 240_000);
afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

const api = (method: string, path: string, body?: unknown, as = 'maya') =>
  stack.call(method, `${stack.foundation}${path}`, { as, body });
const open = (path: string, page = maya) => follow(page, `${stack.foundation}${path}`);
const newCustomer = async (name: string) =>
  (await api('POST', '/api/customers', { name, email: `e2e${++unique}@example.com` })).body;
const newDeal = async (name: string, customer: { id: string }) =>
  (await api('POST', '/api/deals', { customer_id: customer.id, name, amount: 4_200, owner_id: 'demo-maya' })).body;
/** Waits for the locator. */
const seen = (locator: Locator) => locator.first().waitFor();
const field = (name: string, page = maya) => page.getByRole('button', { name: new RegExp(`^${name}: `) });

describe('signing in', () => {
  test('is one click that leads to the requested page, and signing out ends it for good, with the drafts, after a question', async () => {
    const { page, leave } = await signIn(browser, stack.foundation, 'Tom Berglund', {
      byClick: true,
      at: '/companies?sort=updated',
    });
    await page.waitForURL(/\/companies\?sort=updated/);
    await page.getByRole('button', { name: 'New company' }).click();
    await page.getByRole('dialog').getByLabel('Name').fill('Half Written Ltd');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: /Tom Berglund/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out', exact: true }).click();
    const question = page.getByRole('dialog', { name: 'Sign out, and lose your drafts?' });
    await seen(question.getByText('You have written something that you did not send.'));
    await question.getByRole('button', { name: 'Sign out' }).click();
    await page.waitForURL(/\/choose\//);
    await page.goto(`${stack.foundation}/companies`);
    await seen(page.getByRole('button', { name: 'Tom Berglund' }));
    expect(new URL(page.url()).origin).not.toBe(stack.foundation);
    await leave();
  });

  describe('again after a time-out', () => {
    let tom: OwnPage;
    let page: Page;
    let customer: { id: string };
    const timeOut = () =>
      stack.asOwner(
        `update platform.sign_ins set last_seen_at = now() - interval '3 hours' where user_id = 'demo-tom'`,
      );
    const dialog = () => page.getByRole('dialog', { name: 'Your sign-in has timed out' });
    let tab: Page | undefined;
    /** In the tab that the dialog opens. Once it is there, somebody signs in there again. */
    const inOtherTab = async (persona: Persona) => {
      if (tab) {
        await choose(tom.context, stack.foundation, persona);
        await tab.reload();
      } else {
        const opened = tom.context.waitForEvent('page');
        await dialog().getByRole('link', { name: 'Sign in again' }).click();
        tab = await opened;
        await tab.getByRole('button', { name: persona }).click();
      }
      await seen(tab.getByRole('heading', { name: /Left Alone/ }));
    };
    beforeAll(async () => {
      tom = await signIn(browser, stack.foundation, 'Tom Berglund');
      page = tom.page;
    });
    beforeEach(async () => {
      customer = await newCustomer('Left Alone');
      await open(`/customers/${customer.id}`, page);
      await field('Phone', page).click();
      await page.getByRole('textbox', { name: 'Phone' }).fill('+44 20 7946 0777');
      await timeOut();
      await page.getByRole('textbox', { name: 'Phone' }).press('Enter');
      await seen(dialog());
    });
    afterAll(() => tom.leave());

    test('keeps typed text and saves it after the new sign-in', async () => {
      expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBeNull();
      await page.keyboard.press('Escape');
      await inOtherTab('Tom Berglund');
      await dialog().waitFor({ state: 'hidden' });
      await seen(page.getByRole('button', { name: 'Phone: +44 20 7946 0777' }));
      expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBe('+44 20 7946 0777');
    });

    test('gives no typed text to another person who signs in there, and makes the open pages those of the next one each time', async () => {
      await inOtherTab('Jonas Weber');
      await seen(page.getByRole('button', { name: /Jonas Weber/ }));
      expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBeNull();
      // Without a time-out as well: the page would show the events of the one who was there before.
      await inOtherTab('Tom Berglund');
      await seen(page.getByRole('button', { name: /Tom Berglund/ }));
    });
  });
});

describe('customers', () => {
  test('are found while a person types, are kept in the address, and open by keyboard', async () => {
    await open('/customers');
    await maya.getByPlaceholder('Name, e-mail, phone, company').fill('kenji');
    await maya.waitForURL(/search=kenji/);
    await seen(maya.getByRole('link', { name: /Kenji Watanabe/ }));
    expect(await maya.getByRole('link', { name: /Nora Lindqvist/ }).count()).toBe(0);
    await maya.keyboard.press('ArrowDown');
    await maya.keyboard.press('j');
    await seen(maya.locator('a:focus', { hasText: 'Kenji Watanabe' }));
    await maya.keyboard.press('Enter');
    await maya.waitForURL(/\/customers\/[0-9a-f-]{36}/);
    await seen(maya.getByRole('heading', { name: /Kenji Watanabe/ }));
    await maya.reload(); // its place in the list is still known
    await seen(maya.getByText('1 of 1', { exact: true }));
  });

  test('are filtered by conditions, by keyboard: in the address, in a view, and said when a field is gone', async () => {
    const made = await api('POST', '/api/custom-fields', {
      record: 'customer',
      key: 'seats',
      label: 'Seats',
      type: 'number',
      choices: [],
    });
    const few = await newCustomer('Filter Few');
    const many = await newCustomer('Filter Many');
    await api('PATCH', `/api/customers/${few.id}`, { custom: { seats: 3 } });
    await api('PATCH', `/api/customers/${many.id}`, { custom: { seats: 300 } });
    const row = (name: string) => maya.getByRole('link', { name, exact: true });
    const faults: string[] = [];
    // What the list says of the demo's customers is what the page of each says.
    for (const { id, last_activity_at } of (await api('GET', '/api/customers?sort=last_activity&limit=5')).body
      .customers)
      expect((await api('GET', `/api/customers/${id}`)).body.crm.last_activity.occurred_at).toBe(last_activity_at);
    await open('/customers?columns=name,last_activity,open_deals,custom.seats');
    await maya.reload(); // the fields that a page knows are a minute old
    await seen(row('Filter Few'));
    await maya.keyboard.press('f');
    const dialog = maya.getByRole('dialog', { name: 'Which customers to show' });
    /** By keyboard: Enter takes the first hit as soon as it is marked. */
    const pick = async (label: string, words: string) => {
      await dialog.getByLabel(label).pressSequentially(words);
      await seen(maya.locator('[role=option][data-combobox-selected]').filter({ hasText: new RegExp(words, 'i') }));
      await maya.keyboard.press('Enter');
    };
    await pick('Condition 1: field', 'seats');
    await dialog.getByLabel('Condition 1: number').fill('100');
    await dialog.getByRole('button', { name: 'Add a group' }).click();
    await pick('Group 2, condition 1: field', 'last act');
    await pick('Group 2, condition 1: how', 'never');
    await dialog.getByRole('button', { name: 'Add to the group' }).click();
    await dialog.getByRole('button', { name: 'Show customers' }).click();
    await seen(dialog.getByText('Choose a field.'));
    await pick('Group 2, condition 2: field', 'tag');
    await pick('Group 2, condition 2: how', 'is not empty');
    faults.push(...(await look('conditions-dialog')));
    await dialog.getByRole('button', { name: 'Show customers' }).click();
    await seen(maya.getByText('Never an activity or Tag is not empty'));
    await row('Filter Few').waitFor({ state: 'detached' });
    await seen(row('Filter Many'));
    faults.push(...(await look('conditions-list')));

    // The list stays live: the first activity takes the customer out of it.
    await api('POST', `/api/customers/${many.id}/activities`, { type: 'note', description: 'Spoken' });
    await seen(maya.getByText('No customer is like that'));
    await maya.getByRole('button', { name: 'Take away: Never an activity or Tag is not empty' }).click();
    await seen(row('Filter Many'));

    await maya.getByRole('button', { name: 'Save this view' }).click();
    await maya.getByRole('dialog').getByLabel('Name').fill('Large');
    await maya.keyboard.press('Enter');
    const view = maya.getByRole('link', { name: 'Large', exact: true });
    await seen(view);
    await open('/customers');
    await seen(row('Filter Few'));
    await view.click();
    await row('Filter Few').waitFor({ state: 'detached' });
    await maya.reload();
    await seen(row('Filter Many'));
    await api('DELETE', `/api/custom-fields/${made.body.id}`);
    await api('POST', `/api/customers/${few.id}/activities`, { type: 'note', description: 'Asked for anew by this' });
    await seen(maya.getByText('The view “Large” names what was removed'));
    expect(await row('Filter Many').count()).toBe(0);
    await maya.reload();
    await seen(maya.getByText('The view “Large” names what was removed'));
    await seen(maya.getByText('Filtered by the custom field “seats”'));
    faults.push(...(await look('conditions-outdated')));
    await maya.getByRole('button', { name: 'Keep the view without it' }).click();
    await seen(row('Filter Few'));
    await view.click();
    await seen(row('Filter Few'));
    expect(faults).toEqual([]);
  });

  test('changed by two people at once are shown field by field, and the second chooses', async () => {
    const customer = await newCustomer('Two Editors');
    await open(`/customers/${customer.id}`);
    await field('Phone').click();
    await maya.getByRole('textbox', { name: 'Phone' }).fill('+44 20 7946 0001');
    await api('PATCH', `/api/customers/${customer.id}`, { phone: '+44 20 7946 0002' }, 'jonas');
    await maya.getByRole('textbox', { name: 'Phone' }).press('Enter');
    const dialog = maya.getByRole('dialog', { name: /Two Editors was changed while you were editing/ });
    await seen(dialog);
    await seen(dialog.getByText('+44 20 7946 0002'));
    await dialog.getByRole('radio', { name: /Phone: mine/ }).check();
    await dialog.getByRole('button', { name: 'Save these' }).click();
    await seen(field('Phone').filter({ hasText: '+44 20 7946 0001' }));
    expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.phone).toBe('+44 20 7946 0001');
  });

  test('show who changed a field, in which app and from which value, and a change can be undone', async () => {
    const customer = await newCustomer('Provenance');
    await api('PATCH', `/api/customers/${customer.id}`, { phone: '+44 20 7946 0003' }, 'jonas');
    await open(`/customers/${customer.id}`);
    await seen(field('Phone').filter({ hasText: '0003' }));
    await expectEventually(async () => {
      await maya.reload();
      await field('Phone').hover();
      await maya.getByText(/Jonas Weber in Foundation/).waitFor({ timeout: 1_000 });
    });
    await field('Phone').click();
    // A refused value keeps the focus: the keyboard goes on.
    await maya.getByRole('textbox', { name: 'Phone' }).fill('12');
    await maya.getByRole('textbox', { name: 'Phone' }).press('Enter');
    await seen(maya.getByRole('alert').getByText(/^It must be a telephone number/));
    await maya.keyboard.press('Control+a');
    await maya.keyboard.type('+44 20 7946 0004');
    await maya.keyboard.press('Enter');
    await undoLast(maya);
    await seen(field('Phone').filter({ hasText: '0003' }));
  });

  test('show Support’s fields as locked', async () => {
    const customer = await newCustomer('Locked');
    await open(`/customers/${customer.id}`);
    await maya.keyboard.press('Tab'); // the explanation is for a focus by keyboard
    await field('Language').focus();
    await seen(maya.getByText(/Support owns this field/));
    await maya.keyboard.press('Enter');
    expect(await maya.getByRole('textbox', { name: 'Language' }).count()).toBe(0);
  });
});

describe('the timeline', () => {
  test('shows a chat that ends while a person reads, without a jump', async () => {
    const email = `chat${++unique}@example.com`;
    const { body: session } = await stack.call('POST', `${stack.support}/api/widgets/${stack.widgetKey}/sessions`, {
      body: { email, name: 'Visiting Vera' },
    });
    await stack.call('POST', `${stack.support}/api/sessions/${session.session_id}/messages`, {
      bearer: session.visitor_token,
      body: { client_id: '1', body: 'Does the blue one come in large?' },
    });
    const { body: found } = await api('GET', `/api/customers?search=${email}`);
    await api('POST', `/api/customers/${found.customers[0].id}/activities`, {
      type: 'note',
      description: 'First note',
    });
    await open(`/customers/${found.customers[0].id}`);
    await seen(maya.getByText('First note'));
    await stack.call('POST', `${stack.support}/api/sessions/${session.session_id}/end`, {
      as: 'priya',
      body: { resolved: true },
    });
    await stack.call('POST', `${stack.support}/api/sessions/${session.session_id}/rating`, {
      bearer: session.visitor_token,
      body: { score: 4, comment: 'Large it was' },
    });
    const pill = maya.getByRole('button', { name: /^\d new$/ });
    await seen(pill);
    expect(await maya.getByText('Does the blue one come in large?').count()).toBe(0);
    await pill.click();
    const card = maya.locator('details', { hasText: 'Does the blue one come in large?' });
    await seen(card.getByText('Resolved', { exact: true }));
    await seen(card.getByText('Rated 4 of 5'));
    expect(await maya.getByText('Large it was').count()).toBe(0);
    expect(await card.getAttribute('open')).toBeNull();
    await card.locator('summary').click();
    await seen(card.getByText('Support conversation resolved'));
  });
});

describe('deals', () => {
  const column = (name: string) => maya.getByRole('region', { name, exact: true });
  const card = (name: string) => maya.getByRole('listitem').filter({ hasText: name });

  test('move by mouse, and back by undo', async () => {
    await newDeal('Dragged deal', await newCustomer('Drag Person'));
    await open('/deals?search=dragged');
    await seen(column('Qualified').getByText('Dragged deal'));
    await drag(card('Dragged deal').first(), column('Proposal'));
    await seen(column('Proposal').getByText('Dragged deal'));
    await undoLast(maya);
    await seen(column('Qualified').getByText('Dragged deal'));
  });

  test('move by keyboard, and the move is announced', async () => {
    const deal = await newDeal('Keyed deal', await newCustomer('Key Person'));
    await open('/deals?search=keyed');
    const link = column('Qualified').getByRole('link', { name: 'Keyed deal' });
    await link.focus();
    await maya.keyboard.press(' ');
    await maya.keyboard.press('ArrowRight');
    await seen(maya.getByText(/Demo held\. Space drops Keyed deal here/));
    await maya.keyboard.press(' ');
    await seen(column('Demo held').getByRole('link', { name: 'Keyed deal' }));
    await expectEventually(async () =>
      expect((await api('GET', `/api/deals/${deal.id}`)).body.stage_name).toBe('Demo held'),
    );
  });

  test('move by menu, and the move of another person appears', async () => {
    const deal = await newDeal('Menu deal', await newCustomer('Menu Person'));
    await open('/deals?search=menu+deal');
    await maya.getByRole('button', { name: /Move Menu deal to/ }).click();
    await maya.getByRole('menuitem', { name: 'Negotiation' }).click();
    await seen(column('Negotiation').getByText('Menu deal'));
    const { stages } = (await api('GET', '/api/pipelines')).body.pipelines[0];
    const proposal = stages.find((stage: { name: string }) => stage.name === 'Proposal').id;
    await api('POST', `/api/deals/${deal.id}/move`, { stage_id: proposal }, 'jonas');
    await seen(column('Proposal').getByText('Menu deal'));
  });

  test('raise the customer’s tier when they are won, and that can be undone', async () => {
    const customer = await newCustomer('Winning Person');
    await newDeal('Won deal', customer);
    await open('/deals?search=won+deal');
    await maya.getByRole('button', { name: /Move Won deal to/ }).click();
    await maya.getByRole('menuitem', { name: 'Won', exact: true }).click();
    const dialog = maya.getByRole('dialog', { name: 'Close as won' });
    await dialog.getByRole('combobox', { name: /The tier of Winning Person/ }).click();
    await maya.getByRole('option', { name: 'Premium', exact: true }).click();
    await dialog.getByRole('button', { name: 'Close as won' }).click();
    await seen(maya.getByText(/Won deal is won; Winning Person is Premium now/));
    expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.account_tier).toBe('premium');
    await undoLast(maya);
    await seen(column('Qualified').getByText('Won deal'));
    expect((await api('GET', `/api/customers/${customer.id}`)).body.customer.account_tier).toBeNull();
  });

  /** Drags like a hand: press, move a little, move to the goal, release. */
  async function drag(from: Locator, to: Locator): Promise<void> {
    const [start, end] = [await from.boundingBox(), await to.boundingBox()];
    if (!start || !end) throw new Error('not on the screen');
    await maya.mouse.move(start.x + start.width / 2, start.y + 10);
    await maya.mouse.down();
    await maya.mouse.move(start.x + start.width / 2 + 8, start.y + 20, { steps: 4 });
    await maya.mouse.move(end.x + end.width / 2, end.y + end.height / 2, { steps: 8 });
    await maya.mouse.up();
  }
});

describe('tasks', () => {
  test('are made anywhere by keyboard, given to somebody, come again when they are ticked, and remind', async () => {
    const customer = await newCustomer('Tessa Todo');
    const words = `Call about the roof ${unique}`;
    await open('/tasks');
    await seen(maya.getByRole('button', { name: 'New task' }));
    await maya.keyboard.press('c');
    const dialog = maya.getByRole('dialog', { name: 'New task' });
    await dialog.getByLabel('What is to be done').fill(words);
    await dialog.getByRole('button', { name: 'Create' }).click();
    await seen(dialog.getByText('Choose the customer.'));
    await dialog.getByLabel('Customer').fill('Tessa Todo');
    await maya.getByRole('option', { name: /Tessa Todo/ }).click();
    await dialog.getByLabel('Repeats').click();
    await maya.getByRole('option', { name: 'Every week' }).click();
    await seen(dialog.getByText(/Choose the first day/));
    await dialog.getByLabel('Due on').fill('2026-03-31');
    await dialog.getByLabel('What is to be done').press('ControlOrMeta+Enter');
    await dialog.waitFor({ state: 'detached' });
    const item = () => maya.getByRole('listitem').filter({ hasText: words });
    await seen(item().getByText('Every week'));
    await item()
      .getByRole('button', { name: /^Change: / })
      .press('Enter');
    await maya.getByRole('menuitem', { name: 'Tomorrow' }).press('Enter');
    await seen(maya.getByText(/The task is due on/));
    await item().getByRole('checkbox').click();
    await seen(maya.getByText(/The task is done, and due again on/));
    await open('/tasks?state=done');
    await seen(item().getByText(/^Done /));
    await undoLast(maya);
    await item().waitFor({ state: 'detached' });
    const { activities } = (await api('GET', `/api/activities?customer_id=${customer.id}&state=open`)).body;
    expect(activities).toHaveLength(1);
    const remind = { remind_at: new Date(Date.now() - 1_000).toISOString(), assigned_to: 'demo-maya' };
    await api('PATCH', `/api/activities/${activities[0].id}`, remind, 'tom');
    const reminders = maya.getByRole('region', { name: 'Reminders' });
    await seen(reminders.getByText(words));
    if (process.env.AETHER_LOOK) await maya.screenshot({ path: `${process.env.AETHER_LOOK}/reminder.png` });
    await reminders.getByRole('button', { name: 'Hide' }).press('Enter');
    await reminders.waitFor({ state: 'detached' });
    expect((await api('GET', `/api/activities?customer_id=${customer.id}`)).body.activities[0].remind_at).toBeNull();
  });
});

describe('custom fields', () => {
  test('are added by an administrator and appear in everybody’s records', async () => {
    await open('/settings/fields');
    await maya
      .getByRole('button', { name: /Add|New/ })
      .first()
      .click();
    const dialog = maya.getByRole('dialog', { name: 'New custom field' });
    await dialog.getByLabel('Label').fill('Favourite colour');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await seen(maya.getByText('Favourite colour'));
    const customer = await newCustomer('Colourful');
    await open(`/customers/${customer.id}`);
    await field('Favourite colour').click();
    await maya.getByRole('textbox', { name: 'Favourite colour' }).fill('Teal');
    await maya.getByRole('textbox', { name: 'Favourite colour' }).press('Enter');
    await seen(field('Favourite colour').filter({ hasText: 'Teal' }));
    expect((await api('GET', `/api/customers/${customer.id}`)).body.custom).toEqual({ favourite_colour: 'Teal' });
  });
});

describe('somebody who leaves', () => {
  test('is out at once, what they have goes to a colleague, and an undo brings both back', async () => {
    const customer = await newCustomer('Left Behind');
    const managerOf = async () => (await api('GET', `/api/customers/${customer.id}`)).body.customer.account_manager_id;
    await api('PATCH', `/api/customers/${customer.id}`, { account_manager_id: 'demo-jonas' });
    const { page: jonas, leave } = await signIn(browser, stack.foundation, 'Jonas Weber');
    await open('/settings/users');
    await maya.getByRole('button', { name: 'Enter that Jonas Weber left' }).click();
    const dialog = maya.getByRole('dialog', { name: 'Has Jonas Weber left?' });
    await seen(dialog.getByText(/They have \d+ customers?/));
    await dialog.getByLabel('Hand over to').click();
    await maya.getByRole('option', { name: 'Tom Berglund' }).click();
    if (process.env.AETHER_LOOK) await maya.screenshot({ path: `${process.env.AETHER_LOOK}/leaving.png` });
    await dialog.getByRole('button', { name: 'Enter that they left' }).click();
    await seen(maya.getByText(/Jonas Weber has left\. Tom Berglund has .* of theirs now\./));
    expect(await managerOf()).toBe('demo-tom');
    await jonas.reload();
    await jonas.waitForURL(/\/choose\//);
    await jonas.getByRole('button', { name: 'Jonas Weber' }).click();
    await seen(jonas.getByText('An administrator has entered that you left.'));
    await seen(maya.getByRole('button', { name: 'Enter that Jonas Weber is back' }));
    if (process.env.AETHER_LOOK) await maya.screenshot({ path: `${process.env.AETHER_LOOK}/left.png` });
    await undoLast(maya);
    await seen(maya.getByRole('button', { name: 'Enter that Jonas Weber left' }));
    await expect.poll(managerOf).toBe('demo-jonas');
    await leave();
  });
});

describe('a plain user', () => {
  test('sees no administration, and both the page and the server refuse it', async () => {
    const { page, leave } = await signIn(browser, stack.foundation, 'Jonas Weber');
    await seen(page.getByRole('link', { name: 'Customers' }));
    expect(await page.getByRole('link', { name: 'Users' }).count()).toBe(0);
    await open('/settings/users', page);
    await seen(page.getByText('For administrators'));
    expect((await api('PATCH', '/api/users/demo-jonas', { role: 'admin' }, 'jonas')).body.code).toBe('admin-only');
    await leave();
  });
});

describe('on every page', () => {
  test('the palette leads to a customer', async () => {
    await open('/deals');
    await seen(maya.getByRole('heading', { name: 'Deals' }));
    await maya.keyboard.press('Control+k');
    await maya.getByPlaceholder('Name, number or command').fill('elena');
    await seen(maya.getByRole('button', { name: /Elena Papadaki/ }));
    // As a fast typist's Enter, which comes before the first result is selected.
    await maya.evaluate(`document.querySelector('[data-selected]')?.removeAttribute('data-selected');
      document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', bubbles: true }))`);
    await seen(maya.getByRole('heading', { name: /Elena Papadaki/ }));
    await maya.getByPlaceholder('Name, number or command').waitFor({ state: 'hidden' });
  });

  test('a page that fails to load twice is tried again by itself, and the navigation stays meanwhile', async () => {
    let failures = 2;
    await maya.route(/DealsPage.*js/, (route) => (failures-- > 0 ? route.abort() : route.continue()));
    await maya.goto(`${stack.foundation}/customers`); // loaded again, so that it has no page of deals yet
    await maya.getByRole('link', { name: 'Deals' }).click();
    await seen(maya.getByText('This page is not loaded yet'));
    await seen(maya.getByRole('link', { name: 'Companies' }));
    await seen(maya.getByRole('heading', { name: 'Deals' }));
    await maya.unrouteAll();
  });

  test('without a connection every link of the navigation shows its page, with what is on the device', async () => {
    const { page, context, leave } = await signIn(browser, stack.foundation, 'Maya Okafor', { loadsAhead: true });
    const loaded = `new Set(performance.getEntriesByType('resource').map(({ name }) => /(Customers|Deals|Companies|Tasks|Users)Page.*js/.exec(name)?.[1]).filter(Boolean)).size`;
    await expect.poll(() => page.evaluate(loaded)).toBe(5);
    await page.evaluate(`new Promise((done) => requestIdleCallback(done))`);
    await context.setOffline(true);
    await page.getByRole('link', { name: 'Companies' }).click();
    await seen(page.getByRole('heading', { name: 'Companies' }));
    await seen(page.getByText('No connection'));
    await seen(page.getByText('Offline', { exact: true }));
    await page.getByRole('link', { name: 'Customers' }).click();
    await seen(page.getByRole('table', { name: 'Customers' }).getByRole('link'));
    await leave();
  });

  test('an outdated tab offers to be loaded again, and a half-written note is there afterwards', async () => {
    const customer = await newCustomer('Out Dated');
    await open(`/customers/${customer.id}`);
    await maya.getByRole('form', { name: 'Add to the timeline' }).getByRole('textbox').first().fill('Half a thought');
    expect(await maya.getByText('A new version is here').isVisible()).toBe(false);
    await maya.evaluate(`document.documentElement.dataset.same = 'page'`);
    await intercept(maya, '**/api/companies?*', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), 'aether-build': 'newer' } });
    });
    await maya.getByRole('link', { name: 'Companies' }).click();
    await seen(maya.getByText('A new version is here'));
    await maya.goBack();
    await maya.getByRole('button', { name: 'Reload' }).click();
    // Not waitForFunction: what it looks at again is evaluated by the page, which allows no words as scripts.
    await expect.poll(() => maya.evaluate(`document.documentElement.dataset.same === undefined`)).toBe(true);
    expect(new URL(maya.url()).pathname).toBe(`/customers/${customer.id}`);
    await expect
      .poll(() => maya.getByRole('form', { name: 'Add to the timeline' }).getByRole('textbox').first().inputValue())
      .toBe('Half a thought');
    await maya.unrouteAll();
  });

  test('a lost connection is shown, and missed changes appear when it is back', async () => {
    await open('/customers?search=cut%20off');
    await seen(maya.getByText('Live', { exact: true }));
    await seen(maya.getByText('No customer is like that'));
    await maya.context().setOffline(true);
    await seen(maya.getByText(/Offline|Reconnecting/));
    await newCustomer('Cut Off Person');
    await maya.context().setOffline(false);
    await seen(maya.getByText('Live', { exact: true }));
    await seen(maya.getByRole('link', { name: /Cut Off Person/ }));
  });
});

/** Repeats the check until it passes, because a subscription writes some records a moment later. */
async function expectEventually(fact: () => Promise<unknown>): Promise<void> {
  for (let tries = 20; ; tries--) {
    try {
      await fact();
      return;
    } catch (error) {
      if (tries === 0) throw error;
    }
  }
}

/** What keeps people out, and what does not fit at two widths. Takes pictures if AETHER_LOOK is set. */
async function look(name: string): Promise<string[]> {
  const before = maya.viewportSize() ?? wide;
  const folder = process.env.AETHER_LOOK;
  for (const colorScheme of folder ? (['light', 'dark'] as const) : [])
    for (const viewport of [wide, narrow]) {
      await maya.emulateMedia({ colorScheme });
      await maya.setViewportSize(viewport);
      await maya.evaluate(settled);
      await maya.screenshot({ path: `${folder}/${name}-${colorScheme}-${viewport.width}.png` });
    }
  if (folder) await maya.emulateMedia({ colorScheme: 'light' });
  await maya.setViewportSize(before);
  const found = [...(await findBarriers(maya)), ...(await measure(maya, [before.width, narrow.width]))];
  await maya.setViewportSize(before);
  return found.map((fault) => `${name}: ${fault}`);
}
