import { setTimeout as wait } from 'node:timers/promises';
import type { CDPSession, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { openBrowser } from './testing.browser.ts';
import { follow, type Stack, signIn, startStack } from './testing.stack.ts';

/** A working day of one agent. Each chat has ten messages: eight of its visitor, two of the agent. */
const chats = Number(process.env.CHATS ?? 500);
const hours = 8;
const msPerChat = (hours * 3_600_000) / 500;
const goal = 1.5;

type Figures = { heapMB: number; nodes: number; listeners: number };

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
}, 240_000);

test('the memory of an open console over a working day', async () => {
  const day = await begin('/inbox?view=all', stack.support, 'Priya Nair');
  const widget = await stack.call('POST', `${stack.support}/api/widgets`, { as: 'maya', body: { name: 'A long day' } });
  const points: [chats: number, figures: Figures][] = [];
  for (let chat = 1; chat <= chats; chat++) {
    await handle(day.page, widget.body.key, chat);
    await day.page.clock.fastForward(msPerChat);
    // The first ten have warmed every script and cache of the page.
    if (chat === 10 || chat % Math.max(10, Math.round(chats / 10)) === 0) points.push([chat, await rest(day)]);
  }
  console.log(describe('Support: chats', points));
  expect(day.errors).toEqual([]);
}, 7_200_000);

test('the memory of an open CRM over the same day', async () => {
  const day = await begin('/customers', stack.foundation, 'Maya Okafor');
  const points: [chats: number, figures: Figures][] = [];
  const changeName = async (id: string, name: string) => {
    const { status, body } = await stack.call('PATCH', `${stack.foundation}/api/customers/${id}`, {
      as: 'jonas',
      body: { expected_version: 1, name },
    });
    expect([status, body]).toEqual([200, body]);
  };
  for (let call = 1; call <= chats; call++) {
    const name = `Caller ${call}`;
    const { body } = await stack.call('POST', `${stack.foundation}/api/customers`, {
      as: 'maya',
      body: { name, email: `caller${call}@day.example` },
    });
    await follow(day.page, `${stack.foundation}/customers/${body.id}`);
    await day.page.getByRole('heading', { name }).first().waitFor();
    await changeName(body.id, `${name} B`);
    await day.page
      .getByRole('heading', { name: `${name} B` })
      .first()
      .waitFor();
    await follow(day.page, `${stack.foundation}/${call % 2 ? 'customers' : 'deals'}`);
    await day.page.clock.fastForward(msPerChat);
    if (call === 10 || call % Math.max(10, Math.round(chats / 10)) === 0) points.push([call, await rest(day)]);
  }
  console.log(describe('Foundation: customers', points));
  expect(day.errors).toEqual([]);
}, 7_200_000);

type Day = { page: Page; session: CDPSession; inbox: string; errors: string[] };

/** A page with a clock of its own, so that eight hours pass in minutes: what is due in between happens. */
async function begin(path: string, url: string, persona: 'Priya Nair' | 'Maya Okafor'): Promise<Day> {
  const { page, context, errors } = await signIn(await openBrowser(), url, persona, { loadsAhead: true });
  await page.clock.install();
  await page.goto(`${url}${path}`);
  return { page, session: await context.newCDPSession(page), inbox: `${url}${path}`, errors };
}

/** A visitor comes and writes; the agent opens the conversation, answers twice and ends it. */
async function handle(page: Page, key: string, chat: number): Promise<void> {
  const name = `Visitor ${chat}`;
  const email = `visitor${chat}@day.example`;
  const { session_id: id, visitor_token: bearer } = await send(`widgets/${key}/sessions`, { email, name });
  const say = (n: number) => {
    const body = `Word ${n} of ${name}, who asks about an order that has not come yet.`;
    return send(`sessions/${id}/messages`, { client_id: `day-${chat}-${n}`, body }, bearer);
  };
  await say(1);
  await page.locator('[data-session]', { hasText: name }).getByRole('link').first().click();
  await page.mouse.move(0, 0); // a list under the pointer would stay as it is
  const box = page.getByLabel(`Answer to ${name}`);
  const log = page.getByRole('log', { name: 'Messages' });
  for (let n = 2; n <= 4; n++) await say(n);
  await log.getByText(`Word 4 of ${name},`).waitFor();
  await box.fill(`I look for it, ${name}.`);
  await box.press('Enter');
  for (let n = 5; n <= 8; n++) await say(n);
  await log.getByText(`Word 8 of ${name},`).waitFor();
  await box.fill(`It comes tomorrow, ${name}.`);
  await box.press('Enter');
  await log.getByText(`It comes tomorrow, ${name}.`).waitFor();
  await stack.call('POST', `${stack.support}/api/sessions/${id}/end`, { as: 'priya', body: { resolved: true } });
}

/** Asks as a visitor. All visitors have one address here, and Support limits what comes from one: then it is asked again when it says. */
async function send(path: string, body: object, bearer?: string): Promise<Record<string, string>> {
  for (;;) {
    const response = await fetch(`${stack.support}/api/${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(bearer && { Authorization: `Bearer ${bearer}` }) },
      body: JSON.stringify(body),
    });
    if (response.ok) return (await response.json()) as Record<string, string>;
    if (response.status !== 429) throw new Error(`${response.status}: ${await response.text()}`);
    await wait(Number(response.headers.get('Retry-After') ?? 1) * 1_000);
  }
}

/** What the page holds once it shows its list again, time for forgetting has passed, and garbage is collected. */
async function rest({ page, session, inbox }: Day): Promise<Figures> {
  await follow(page, inbox);
  await page.clock.fastForward(360_000);
  await session.send('Performance.enable');
  for (let time = 0; time < 3; time++) await session.send('HeapProfiler.collectGarbage');
  const { metrics } = await session.send('Performance.getMetrics');
  const of = (name: string) => metrics.find((each) => each.name === name)?.value ?? Number.NaN;
  return { heapMB: of('JSHeapUsedSize') / 1e6, nodes: of('Nodes'), listeners: of('JSEventListeners') };
}

function describe(what: string, points: [number, Figures][]): string {
  const first = points[0]?.[1].heapMB ?? Number.NaN;
  const lines = points.map(
    ([count, { heapMB, nodes, listeners }]) =>
      `| ${count} | ${heapMB.toFixed(1)} | ${(heapMB / first).toFixed(2)}× | ${nodes} | ${listeners} |`,
  );
  return `\n| ${what} | heap MB | ÷ the first (goal: ≤ ${goal}×) | nodes | listeners |\n|--:|--:|--:|--:|--:|\n${lines.join('\n')}\n`;
}
