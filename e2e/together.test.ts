import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page, Route } from 'playwright-core';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { intercept, openBrowser, undoLast } from './testing.browser.ts';
import { measure, narrow, settled } from './testing.measure.ts';
import { follow, type Stack, signIn, startStack } from './testing.stack.ts';
import { takeVisitor, visitorOn } from './testing.widget.ts';

const picture = process.env.AETHER_PICTURES && fileURLToPath(new URL('../docs/pictures/together.png', import.meta.url));
const height = 860;

let browser: Browser;
let stack: Stack;
let desk: Page;
let crm: Page;
let errors: string[][];
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  const opened = await Promise.all([
    signIn(browser, stack.support, 'Priya Nair', { viewport: { width: 1360, height } }),
    signIn(browser, stack.foundation, 'Maya Okafor', { viewport: { width: 1200, height } }),
  ]);
  [desk, crm] = opened.map(({ page }) => page) as [Page, Page];
  errors = opened.map((each) => each.errors);
}, 240_000);
afterEach(() => {
  expect(errors.flatMap((each) => each.splice(0))).toEqual([]);
});

test('a visitor asks, an agent claims and answers, sales sees the customer and wins a deal, the badge turns gold and says how, and the chat appears in the timeline as it ended', async () => {
  const email = 'rosa@lanterna.example';
  const { page: shop, leave } = await takeVisitor(browser, stack.shop);
  await shop.setViewportSize({ width: 760, height });
  await follow(crm, `${stack.foundation}/customers?search=lanterna`);
  await crm.getByText('No customer is like that').first().waitFor();
  await follow(desk, `${stack.support}/inbox?view=unassigned`);
  await desk.getByRole('heading', { name: 'Unassigned' }).waitFor();

  // The visitor writes, and the customer appears in Foundation's open list without a reload.
  await shop.goto(stack.shop);
  const visitor = visitorOn(shop);
  await visitor.open();
  await visitor.introduce('Rosa Benedetto', email);
  await visitor.panel.getByRole('button', { name: 'Talk to a person' }).click();
  await visitor.panel.getByText('I am asking a person to join').first().waitFor();
  await visitor.say('We would like forty Heron lamps for our hotel. Is there a price for that?');
  await crm.getByRole('link', { name: /Rosa Benedetto/ }).click();
  await crm.getByRole('heading', { name: /Rosa Benedetto/ }).waitFor();

  // The agent sees the conversation in the open inbox, claims it and answers; the visitor reads the answer.
  const row = desk.locator('[data-session]', { hasText: 'Rosa Benedetto' });
  await row.getByRole('link').click();
  await desk.getByRole('button', { name: 'Claim' }).click();
  await row.waitFor({ state: 'detached' });
  await desk.getByText('Yours').waitFor();
  await desk.getByText('Unverified').waitFor();
  const answer = desk.getByRole('textbox', { name: 'Answer to Rosa Benedetto' });
  await answer.fill('With pleasure! Maya is writing an offer for you right now.');
  await answer.press('Enter');
  await visitor.panel.getByText('With pleasure! Maya is writing').first().waitFor();
  await visitor.say('Wonderful, thank you.');
  await desk.getByText('Wonderful, thank you.').first().waitFor();

  // Sales wins a deal: the badge in the open chat is gold within a second, and shows the reason.
  const api = (method: string, path: string, body?: unknown) =>
    stack.call(method, `${stack.foundation}${path}`, { as: 'maya', body });
  const [customer] = (await api('GET', '/api/customers?search=lanterna')).body.customers;
  const deal = (
    await api('POST', '/api/deals', { customer_id: customer.id, name: 'Hotel Lanterna, 40 lamps', amount: 13_960 })
  ).body;
  const wonAt = performance.now();
  await api('POST', `/api/deals/${deal.id}/close`, { outcome: 'won', tier: 'premium' });
  await desk.getByText(/Premium since \d\d:\d\d, deal Hotel Lanterna, 40 lamps/).waitFor();
  const goldAfterMs = performance.now() - wonAt;
  await desk.getByRole('button', { name: 'How this got here' }).click();
  await desk.getByText(/Deal “Hotel Lanterna, 40 lamps” was won in Foundation by Maya Okafor/).waitFor();
  await desk.getByText(/became event \d+ of the log/).waitFor();
  await desk.getByText(/The event came to this page/).waitFor();
  await desk.getByRole('button', { name: 'How this got here' }).click();
  await crm
    .getByText(/Hotel Lanterna, 40 lamps/)
    .first()
    .waitFor();

  // The agent ends the conversation, and it appears in the open timeline, with what was said for whom Support shares it with.
  const share = (readers: string) =>
    stack.call('PATCH', `${stack.support}/api/sharing/conversations`, { as: 'maya', body: { readers } });
  await share('managers');
  await desk.getByRole('button', { name: 'End', exact: true }).click();
  const dialog = desk.getByRole('dialog');
  await dialog.getByRole('button', { name: 'End conversation' }).click();
  await dialog.getByText('Say whether it was resolved.').waitFor();
  await dialog.getByRole('radio', { name: 'Resolved', exact: true }).check();
  await dialog.getByLabel('What it was about').fill('A price for forty');
  await dialog.getByRole('button', { name: 'End conversation' }).click();
  await visitor.sees('This conversation has ended.').waitFor();
  const pill = crm.getByRole('button', { name: /\d new/ });
  await pill.or(crm.getByText('Support conversation')).first().waitFor();
  if (await pill.isVisible()) await pill.click();
  await crm.getByText('Support conversation').first().waitFor();

  await desk.getByText('Resolved', { exact: true }).first().waitFor();
  if (picture) await takePicture(picture, shop, desk, crm);
  await crm.getByText('A price for forty').first().click();
  const said = crm.getByRole('list', { name: 'What was said' });
  await said.getByText('With pleasure! Maya is writing an offer for you right now.').waitFor();
  expect(await look(crm, 'shared-conversation')).toEqual([]);
  await share('nobody');
  await leave();

  expect(goldAfterMs).toBeLessThan(5_000);
}, 60_000);

test('a conversation and a note of the wrong person move to the right one, both apps follow, and each goes back', async () => {
  const api = async (method: string, path: string, body?: unknown) =>
    (await stack.call(method, `${stack.foundation}${path}`, { as: 'maya', body })).body;
  const wrong = await api('POST', '/api/customers', { name: 'Wanda Wrong', email: 'wanda@moved.example' });
  const right = await api('POST', '/api/customers', { name: 'Rita Right', email: 'rita@moved.example' });
  const { body: chat } = await stack.call('POST', `${stack.support}/api/widgets/${stack.widgetKey}/sessions`, {
    body: { email: 'wanda@moved.example', name: 'Somebody' },
  });
  await stack.call('POST', `${stack.support}/api/sessions/${chat.session_id}/end`, {
    as: 'priya',
    body: { resolved: true, summary: 'A lamp for Rita' },
  });
  await follow(crm, `${stack.foundation}/customers/${wrong.id}`);
  await crm.getByText('A lamp for Rita').first().waitFor();

  // Support moves the conversation; Foundation’s open page of the wrong customer loses it.
  await follow(desk, `${stack.support}/sessions/${chat.session_id}`);
  const panel = desk.getByRole('complementary', { name: 'Customer' });
  await panel.getByRole('heading', { name: 'Wanda Wrong' }).waitFor();
  await desk.getByRole('button', { name: 'Move to another customer' }).click();
  const dialog = desk.getByRole('dialog', { name: 'Move this conversation to another customer' });
  await dialog.getByText('It belongs to Wanda Wrong at present.').waitFor();
  await dialog.getByText('The address wanda@moved.example.', { exact: false }).waitFor();
  await dialog.getByRole('button', { name: 'Move', exact: true }).click();
  await dialog.getByText('Choose to whom it belongs.').waitFor();
  const picker = dialog.getByRole('combobox', { name: 'The right customer' });
  await picker.fill('wanda@moved');
  await desk.getByRole('option', { name: /Wanda Wrong/ }).click();
  await dialog.getByText('It belongs to this customer already.', { exact: false }).waitFor();
  await picker.fill('rita@moved');
  await desk.getByRole('option', { name: /Rita Right/ }).click();
  await dialog.getByLabel('Reason').fill('Rita sat at her computer');
  const found = await look(desk, 'move-conversation');
  await dialog.getByRole('button', { name: 'Move', exact: true }).click();
  await panel.getByRole('heading', { name: 'Rita Right' }).waitFor();
  await desk.getByText('Priya Nair moved this from Wanda Wrong to Rita Right').waitFor();
  await crm.getByText('A lamp for Rita').first().waitFor({ state: 'detached' });
  await follow(crm, `${stack.foundation}/customers/${right.id}`);
  await crm.getByText('A lamp for Rita').first().waitFor();
  found.push(...(await look(desk, 'moved-conversation')));
  await desk.getByRole('button', { name: 'Move back' }).click();
  await panel.getByRole('heading', { name: 'Wanda Wrong' }).waitFor();
  await desk.getByText('Priya Nair moved this back from Rita Right to Wanda Wrong').waitFor();
  expect(await desk.getByRole('button', { name: 'Move back' }).count()).toBe(0);
  await crm.getByText('A lamp for Rita').first().waitFor({ state: 'detached' });

  // Foundation moves a note of its own, and takes that back; what belongs to a deal stays, and the dialog says why.
  const deal = await api('POST', '/api/deals', { customer_id: right.id, name: 'Twelve lamps', amount: 12 });
  const write = (description: string, deal_id?: number) =>
    api('POST', `/api/customers/${right.id}/activities`, { type: 'note', description, deal_id });
  await write('About the deal', deal.id);
  await write('Likes brass');
  await follow(crm, `${stack.foundation}/customers/${wrong.id}`);
  await follow(crm, `${stack.foundation}/customers/${right.id}`);
  await crm.getByText('Likes brass').first().hover();
  await crm.getByRole('button', { name: 'Move to another customer: About the deal' }).press('Enter');
  await crm.getByText('This activity belongs to a deal', { exact: false }).waitFor();
  await crm.getByRole('button', { name: 'Cancel' }).click();
  const move = async () => {
    await crm.getByRole('button', { name: 'Move to another customer: Likes brass' }).press('Enter');
    const noteDialog = crm.getByRole('dialog', { name: 'Move this note to another customer' });
    await noteDialog.getByRole('combobox', { name: 'The right customer' }).fill('wanda@moved');
    await crm.getByRole('option', { name: /Wanda Wrong/ }).click();
    await noteDialog.getByRole('button', { name: 'Move', exact: true }).click();
    await crm.getByText('Likes brass').first().waitFor({ state: 'detached' });
  };
  await move();
  await crm.getByRole('button', { name: 'Undo' }).last().click();
  await crm.getByText('Likes brass').first().waitFor();
  await move();
  await follow(crm, `${stack.foundation}/customers/${wrong.id}`);
  await crm.getByText('Moved here from Rita Right', { exact: false }).waitFor();
  found.push(...(await look(crm, 'moved-note')));
  await crm.getByRole('button', { name: 'Move back' }).click();
  await crm.getByText('Likes brass').first().waitFor({ state: 'detached' });
  expect(found).toEqual([]);
}, 60_000);

test('a colleague who is mentioned by keyboard finds it in the inbox of the other app, puts it away, takes it back, and opens what was given to them', async () => {
  const api = (method: string, path: string, body?: unknown, as = 'maya') =>
    stack.call(method, `${stack.foundation}${path}`, { as, body });
  const { body: customer } = await api('POST', '/api/customers', { name: 'Inga Inbox', email: 'inga@inbox.example' });
  const unread = async (page: Page) =>
    Number(
      await page.getByRole('navigation').getByRole('link', { name: 'Inbox' }).locator('[title$=unread]').innerText(),
    );

  // Maya mentions Priya, whom the list finds by a few letters. The address beside her is no mention.
  await follow(desk, `${stack.support}/notices`);
  await desk.getByRole('heading', { name: 'Inbox' }).waitFor();
  const before = await unread(desk);
  await follow(crm, `${stack.foundation}/customers/${customer.id}`);
  await crm.getByRole('heading', { name: 'Inga Inbox' }).waitFor();
  await crm.keyboard.press('n');
  await crm.keyboard.type('Write to inga@inbox.example, @pri');
  await crm.getByRole('option', { name: /Priya Nair/ }).waitFor();
  const found = await look(crm, 'mention-list');
  await crm.keyboard.press('Enter');
  await crm.keyboard.type('please');
  await crm.keyboard.press('ControlOrMeta+Enter');
  await crm.getByText('Write to inga@inbox.example, @Priya Nair please').waitFor();

  // It comes into Priya's open inbox, and leads to Foundation.
  const row = desk.getByRole('listitem').filter({ hasText: 'Inga Inbox' });
  await row.waitFor();
  await expect.poll(() => unread(desk)).toBe(before + 1);
  expect(await row.getByRole('link').getAttribute('href')).toBe(`${stack.foundation}/customers/${customer.id}`);
  found.push(...(await look(desk, 'notices')));
  await desk.keyboard.press('j');
  await expect.poll(() => row.getByRole('link').evaluate((link) => link.matches(':focus'))).toBe(true);
  // Answers come late: one that was asked for before a key shows the former state after it. What the keys said holds.
  const late: (() => void)[] = [];
  const holdBack = async (route: Route) => {
    const response = await route.fetch().catch(() => undefined);
    await new Promise<void>((go) => late.push(go));
    if (response) await route.fulfill({ response }).catch(() => {});
  };
  const letGo = (count: number) => expect.poll(() => late.splice(0, count).map((go) => go()).length).toBe(count);
  const lists = /\/api\/notices\?/;
  const changes = /\/api\/notices\/[0-9a-f-]{36}$/;
  await intercept(desk, lists, holdBack);
  await desk.keyboard.press('u');
  await expect.poll(() => unread(desk)).toBe(before);
  await expect.poll(() => late.length).toBe(1);
  await intercept(desk, changes, holdBack);
  await desk.keyboard.press('u');
  await expect.poll(() => late.length).toBe(2);
  await letGo(2);
  await expect.poll(() => unread(desk)).toBe(before + 1);
  await desk.unroute(changes);
  await desk.keyboard.press('e');
  await row.waitFor({ state: 'detached' });
  await expect.poll(() => unread(desk)).toBe(before);
  // Also on a page that was left and is shown again before it has been read anew.
  await desk.keyboard.press('g');
  await desk.keyboard.press('c');
  await desk.getByRole('heading', { name: 'Customers' }).waitFor();
  await desk.keyboard.press('g');
  await desk.keyboard.press('i');
  await desk.getByRole('heading', { name: 'Inbox' }).waitFor();
  expect(await row.count()).toBe(0);
  await desk.keyboard.press('ControlOrMeta+z');
  await desk.unroute(lists);
  for (const go of late) go();
  await row.waitFor();
  await expect.poll(() => unread(desk)).toBe(before + 1);

  // What Tom gives to Maya comes into her inbox, and Enter opens it there.
  await crm.keyboard.press('Escape');
  await crm.keyboard.press('g');
  await crm.keyboard.press('i');
  await crm.getByRole('heading', { name: 'Inbox' }).waitFor();
  const deal = { customer_id: customer.id, name: 'Inga’s lamps', owner_id: 'demo-maya' };
  expect((await api('POST', '/api/deals', deal, 'tom')).status).toBe(201);
  const given = crm.getByRole('listitem').filter({ hasText: 'Inga’s lamps' });
  await given.getByText('Tom Berglund gave you a deal').waitFor();
  found.push(...(await look(crm, 'inbox')));
  await crm.keyboard.press('j');
  await crm.keyboard.press('Enter');
  await crm.getByRole('heading', { name: 'Inga’s lamps', level: 1 }).waitFor();
  await follow(crm, `${stack.foundation}/inbox?kind=handover`);
  await crm.getByText('Nothing of this kind').waitFor();
  found.push(...(await look(crm, 'inbox-empty')));
  expect(found).toEqual([]);
}, 60_000);

/** What does not fit, at three widths. Takes pictures if AETHER_LOOK is set. */
async function look(page: Page, name: string): Promise<string[]> {
  const before = page.viewportSize() ?? narrow;
  const folder = process.env.AETHER_LOOK;
  if (folder)
    for (const colorScheme of ['light', 'dark'] as const)
      for (const viewport of [before, narrow]) {
        await page.emulateMedia({ colorScheme });
        await page.setViewportSize(viewport);
        await page.evaluate(settled);
        await page.screenshot({ path: `${folder}/${name}-${colorScheme}-${viewport.width}.png` });
      }
  const found = await measure(page, [before.width, 768, 360]);
  await page.setViewportSize(before);
  return found.map((fault) => `${name}, ${fault}`);
}

/** The three pages side by side, as one picture. */
async function takePicture(path: string, ...pages: Page[]): Promise<void> {
  await mkdir(fileURLToPath(new URL('.', `file://${path}`)), { recursive: true });
  const shots = await Promise.all(pages.map((page) => page.screenshot()));
  const widths = pages.map((page) => page.viewportSize()?.width ?? 0);
  const board = await browser.newPage({
    viewport: { width: widths.reduce((sum, each) => sum + each + 16, 16), height: height + 32 },
  });
  const images = shots.map(
    (shot, n) => `<img width="${widths[n]}" height="${height}" src="data:image/png;base64,${shot.toString('base64')}">`,
  );
  await board.setContent(
    `<body style="margin:16px;display:flex;gap:16px;background:#7b8494">${images.join('')}</body>`,
  );
  await board.locator('img').last().waitFor();
  await writeFile(path, await board.screenshot());
  await board.close();
}

test('an agent who is made a reader sees the same conversation without what can be done with it, in the open page, and has it back with the undo', async () => {
  await follow(desk, `${stack.support}/inbox?view=all`);
  const note = desk.getByRole('note').getByText('You are a reader');
  await desk.locator('[data-session]').first().getByRole('link').click();
  const answer = desk.getByRole('textbox', { name: /^Answer to/ });
  await answer.waitFor();
  await follow(crm, `${stack.foundation}/settings/users`);
  await crm.getByRole('combobox', { name: 'Role of Priya Nair' }).click();
  // The page shows the new role before the change has ended there: the undo is of the role before.
  const letGo = Promise.withResolvers<void>();
  const own = /\/signin\/me$/;
  await intercept(crm, own, async (route) => {
    await letGo.promise;
    await route.continue().catch(() => {});
  });
  const listed = crm.waitForResponse((response) => response.url().includes('/api/users?'));
  await crm.getByRole('option', { name: 'Reader' }).click();
  await (await listed).finished();
  await crm.evaluate(settled);
  letGo.resolve();
  await crm.unroute(own);
  await crm.getByText('Priya Nair is a reader now.').first().waitFor();
  await note.waitFor();
  await answer.waitFor({ state: 'detached' });
  for (const name of ['Claim', 'Take over', 'End', 'Snooze', 'Tags and priority'])
    expect([name, await desk.getByRole('button', { name, exact: true }).count()]).toEqual([name, 0]);
  expect(await desk.getByRole('checkbox', { name: /^Choose/ }).count()).toBe(0);
  const look = process.env.AETHER_LOOK;
  if (look) await desk.screenshot({ path: `${look}/reader-desk.png` });
  await undoLast(crm);
  await answer.waitFor();
  expect(await note.count()).toBe(0);
});
