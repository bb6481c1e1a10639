import { mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { openBrowser } from './testing.browser.ts';
import { type Stack, signIn, startStack } from './testing.stack.ts';
import { visitorBrowser, visitorOn } from './testing.widget.ts';

const picture = process.env.AETHER_PICTURES && fileURLToPath(new URL('../docs/pictures/together.png', import.meta.url));
const height = 860;

let browser: Browser;
let stack: Stack;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
}, 240_000);

test('a visitor asks, an agent answers, sales sees the customer and wins a deal, the badge turns gold, and the chat appears in the timeline', async () => {
  const email = 'rosa@lanterna.example';
  const shop = await (await visitorBrowser(browser, { viewport: { width: 760, height } })).newPage();
  const [{ page: desk, errors }, { page: crm, errors: crmErrors }] = await Promise.all([
    signIn(browser, stack.support, 'Priya Nair', { viewport: { width: 1360, height } }),
    signIn(browser, stack.foundation, 'Maya Okafor', { viewport: { width: 1200, height } }),
  ]);
  await crm.goto(`${stack.foundation}/customers?search=lanterna`);
  await crm.getByText('No customer is like that').first().waitFor();

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

  // The agent claims the conversation and answers; the visitor reads the answer.
  await desk.goto(`${stack.support}/inbox?view=unassigned`);
  await desk.getByRole('link', { name: /Rosa Benedetto/ }).click();
  await desk.getByRole('button', { name: 'Claim' }).click();
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
  await crm
    .getByText(/Hotel Lanterna, 40 lamps/)
    .first()
    .waitFor();

  // The agent ends the conversation, and it appears in the open timeline.
  await desk.getByRole('button', { name: 'End', exact: true }).click();
  const dialog = desk.getByRole('dialog');
  await dialog.getByRole('radio', { name: 'Resolved', exact: true }).check();
  await dialog.getByRole('button', { name: 'End conversation' }).click();
  await visitor.sees('This conversation has ended.').waitFor();
  const pill = crm.getByRole('button', { name: /\d new/ });
  await pill.or(crm.getByText('Support conversation')).first().waitFor();
  if (await pill.isVisible()) await pill.click();
  await crm.getByText('Support conversation').first().waitFor();

  await desk.getByText('Resolved', { exact: true }).first().waitFor();
  if (picture) await takePicture(picture, shop, desk, crm);

  expect(goldAfterMs).toBeLessThan(5_000);
  expect([...errors, ...crmErrors]).toEqual([]);
}, 60_000);

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
