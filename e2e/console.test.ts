import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { withMigrator } from '@aether/database';
import { atEnd } from '@aether/database/testing';
import { isLong } from '@aether/database/testing.sample';
import type { Browser, Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { intercept, openBrowser } from './testing.browser.ts';
import { removeConsumers, showConsumers } from './testing.bus.ts';
import { measure, narrow, settled, wide } from './testing.measure.ts';
import { choose, follow, type Persona, type Stack, signIn, startStack } from './testing.stack.ts';

/** `npm run pictures` sets it. */
const pictures = process.env.AETHER_PICTURES && fileURLToPath(new URL('../docs/pictures/', import.meta.url));

let browser: Browser;
let stack: Stack;
let maya: Page;
let errors: string[];
let worker: ChildProcess;
const scripts = new Map<string, number>();
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  if (pictures) await Promise.all([mkdir(pictures, { recursive: true }), fillCharts()]);
  // A second worker, which a test may stop: the first one is in the process of the servers.
  worker = spawn(process.execPath, [fileURLToPath(import.meta.resolve('@aether/sync/main'))], {
    env: {
      PATH: process.env.PATH,
      LOG_LEVEL: 'silent',
      PLATFORM_DB_URL: stack.databaseUrl('sync_app'),
      SYNC_WEBHOOK_NETWORKS: '127.0.0.0/8', // either worker may try a receiver
    },
    stdio: 'ignore',
  });
  atEnd(async () => void worker.kill('SIGKILL'));
  ({ page: maya, errors } = await signIn(browser, stack.console, 'Maya Okafor', {
    viewport: wide,
    onResponse(response) {
      if (!response.url().startsWith(stack.console) || !response.url().endsWith('.js')) return;
      scripts.set(response.url(), Number(response.headers()['content-length'] ?? Number.POSITIVE_INFINITY));
    },
  }));
}, 240_000);
afterEach(() => {
  expect(errors.splice(0)).toEqual([]);
});

const readCheck = async (slug: string) => {
  const { body } = await stack.call('GET', `${stack.console}/api/health`, { as: 'maya' });
  return body.checks.find((check: { slug: string }) => check.slug === slug);
};

test('the console opens at the health of the house, and its start page loads at most 250 KB of script', async () => {
  await maya.getByRole('heading', { name: 'Health', exact: true }).waitFor();
  await maya
    .getByRole('status')
    .filter({ hasText: /checks/ })
    .waitFor();
  await maya.waitForLoadState('networkidle');
  expect(scripts.size).toBeGreaterThan(1);
  expect([...scripts.values()].reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(256_000);
});

test('a person who is no administrator reads the health of the house, a stranger does not', async () => {
  expect((await stack.call('GET', `${stack.console}/api/health`)).status).toBe(401);
  expect((await stack.call('GET', `${stack.console}/api/health`, { as: 'priya' })).status).toBe(200);
});

test('a worker reports, and another one beside it', async () => {
  await expect.poll(async () => (await readCheck('process:sync'))?.measures.live).toBe(2);
  // As good as dead: its connections stay, and it does nothing. It is silent when the pages below have been looked at.
  worker.kill('SIGSTOP');
});

test('every page of the console has no barrier in light or dark, does not scroll sideways, and every word fits', {
  timeout: 180_000,
}, async () => {
  const paths = await maya.evaluate<string[]>(
    `[...document.querySelectorAll('nav[aria-label="Main"] a')].map(({ pathname }) => pathname)`,
  );
  expect(paths).toEqual(expect.arrayContaining(['/health', '/consumers']));
  const found: Record<string, string[]> = {};
  for (const path of paths) {
    await maya.setViewportSize(wide);
    if (path === '/consumers') await showConsumers(stack);
    await follow(maya, `${stack.console}${path}`);
    if (path === '/consumers') await maya.getByRole('list', { name: 'Orders to billing' }).waitFor();
    await maya.getByRole('main').getByRole('heading', { level: 1 }).waitFor();
    await maya.waitForLoadState('networkidle');
    found[path] = await findFaults(path.slice(1).replaceAll('/', '-'), pageWidths);
  }
  expect(found).toEqual(Object.fromEntries(paths.map((path) => [path, []])));
});

test('a consumer of the bus gets an order by keyboard, and the page shows what came of it without a reload', async () => {
  await showConsumers(stack);
  await maya.setViewportSize(wide);
  await follow(maya, `${stack.console}/consumers`);
  await maya.getByRole('region', { name: 'Relay' }).getByText('3 events, 1,204 sent', { exact: false }).waitFor();
  const billing = maya.getByRole('region', { name: 'billing' });
  await billing.getByText('3 messages wait, the oldest for 70 s', { exact: true }).waitFor();
  const orders = billing.getByRole('list', { name: 'Orders to billing' }).getByRole('listitem');
  const settle = (state: string, outcome: object) =>
    stack.asOwner(`
      update sync.consumer_orders set state = '${state}', outcome = '${JSON.stringify(outcome)}', ended_at = now() where ended_at is null`);

  await billing.getByRole('button', { name: 'Skip… event 4712' }).press('Enter');
  const reason = maya.getByRole('dialog', { name: 'Skip event 4712 of billing' }).getByLabel('Reason');
  await reason.press('Enter');
  await maya.getByText('Say why', { exact: false }).waitFor();
  const found = await findFaults('consumers-order');
  await reason.fill('Nobody needs it');
  await reason.press('Enter');
  await orders.first().getByText('waits for the worker').waitFor();
  await settle('failed', { count: 0, refused: 'not the first of its customer any more' });
  await orders.first().getByText('not the first of its customer any more').waitFor();

  await billing.getByRole('button', { name: 'Pause…' }).press('Enter');
  await maya.getByRole('dialog').getByLabel('Reason').fill('Their database moves');
  await maya.keyboard.press('Enter');
  await orders.first().getByText('Their database moves').waitFor();
  await settle('done', { count: 0 });
  await stack.asOwner(`update sync.consumers set is_paused = true where name = 'billing'`);
  await orders.first().getByText('done', { exact: true }).waitFor();
  // It has dead letters, so that its check is not that of a pause.
  await billing.getByText('paused', { exact: true }).waitFor();

  await stack.asOwner(`update sync.consumers set reported_at = now() - interval '5 minutes' where name = 'billing'`);
  await billing.getByRole('button', { name: 'Resume…' }).press('Enter');
  await maya.getByRole('dialog').getByLabel('Reason').fill('It is done');
  await maya.keyboard.press('Enter');
  await maya.getByRole('dialog').getByText('No process of billing reports', { exact: false }).waitFor();
  await maya.keyboard.press('Escape');
  await removeConsumers(stack);
  await maya.getByText('No app reads from Service Bus').waitFor();
  expect(found).toEqual([]);
});

test('a worker that is stopped is silent on the page without a reload, and well again when it goes on', async () => {
  await follow(maya, `${stack.console}/health`);
  const check = maya.locator('[data-slug="process:sync"]');
  await check.getByText('Silent', { exact: true }).waitFor();
  await maya.getByRole('navigation').getByText('Silent', { exact: true }).waitFor();
  worker.kill('SIGCONT');
  await check.getByText('Well', { exact: true }).waitFor({ state: 'attached' });
  // One that is asked to end is not missed. No other test needs it, and an idle one looks after the data all the time.
  worker.kill('SIGTERM');
  await expect.poll(async () => (await readCheck('process:sync'))?.measures.live).toBe(1);
  await check.getByText('Well', { exact: true }).waitFor({ state: 'attached' });
});

test('charts are read with the keyboard, and the stretch of time is in the address', async () => {
  // Two hours of measurements, with a gap.
  await stack.asOwner(`
    insert into sync.series (id, name, label, fold)
    select (select coalesce(max(s.id), 0) + 1 from sync.series s), 'log_bytes', '', 'mean' on conflict do nothing;
    insert into sync.rollup (step_seconds, at, measured)
    select 900, date_bin('15 minutes', now(), 'epoch') - make_interval(mins => 15 * n),
      array_fill((n * 10)::real, array[(select max(s.id) from sync.series s)]::integer[])
    from generate_series(1, 8) n where n <> 3
    on conflict (step_seconds, at) do update set measured = excluded.measured`);
  await follow(maya, `${stack.console}/health?range=day`);
  await maya.getByRole('radio', { name: 'Day' }).and(maya.locator(':checked')).waitFor({ state: 'attached' });
  const moment = maya.getByRole('slider').first();
  // If there is none, the failure says what the charts say instead.
  const charts = maya.getByRole('region', { name: 'Charts', exact: true });
  await expect.poll(async () => ((await moment.count()) > 0 ? 'a chart' : charts.innerText())).toBe('a chart');
  await moment.press('ArrowLeft');
  const before = await moment.getAttribute('aria-valuetext');
  await moment.press('ArrowLeft');
  expect(await moment.getAttribute('aria-valuetext')).not.toBe(before);
  await maya
    .getByRole('button', { name: / as a table$/ })
    .first()
    .press('Enter');
  await maya.getByRole('row').nth(3).waitFor();
  await maya.getByText('Hour', { exact: true }).click();
  await maya.waitForURL(/\/health$/);
});

test('the palette, the keys and the sheet of keys lead to every place', async () => {
  const places = await maya.getByRole('navigation', { name: 'Main' }).getByRole('link').count();
  await maya.locator('body').press('?');
  await expect.poll(() => maya.getByRole('dialog').getByText(/^G$/).count()).toBe(places);
  await maya.keyboard.press('Escape');
  await maya.getByRole('dialog').waitFor({ state: 'hidden' });
  await maya.locator('body').press('Control+k');
  await expect
    .poll(() =>
      maya
        .getByRole('dialog')
        .getByText(/^Go to /)
        .count(),
    )
    .toBe(places);
  await maya.keyboard.press('Escape');
});

describe('an address that no mail can reach', () => {
  let wrong: string;
  let right: string;
  let name: string;

  test('is corrected where it was found, and the correction is undone', async () => {
    const listed = `${stack.console}/api/quality/findings/address.unreachable?limit=1`;
    const first = async () => (await stack.call('GET', listed, { as: 'maya' })).body.rows[0];
    await expect.poll(first).toBeDefined(); // the scan has come so far
    const found = await first();
    wrong = found.address;
    name = found.customer.name;
    right = wrong.replace(/example$/, 'no');
    await follow(maya, `${stack.console}/quality?finding=address.unreachable`);
    const row = maya.getByRole('row').filter({ hasText: wrong });
    await row.getByRole('button', { name: 'Correct' }).click();
    await maya.getByLabel('The right address').fill(right);
    await maya.getByLabel('The right address').press('Enter');
    await maya.getByText('The address was corrected.').waitFor();
    await row.waitFor({ state: 'detached' });
    await maya.getByRole('button', { name: 'Undo' }).click();
    await maya.getByText('Undone.').waitFor();
    const again = `${stack.console}/api/customers?search=${wrong}`;
    expect((await stack.call('GET', again, { as: 'maya' })).body.customers).toHaveLength(1);
  });

  test('shows in the customer as of an earlier moment, with what changed since', async () => {
    await follow(maya, `${stack.console}/customers`);
    await maya.getByLabel('Find a customer').fill(wrong);
    await maya.getByRole('link', { name }).click();
    const changes = maya.getByRole('region', { name: 'What has changed since' });
    await changes.getByText('Nothing.').waitFor();
    await maya.getByRole('button', { name: 'An hour ago' }).click();
    await changes.getByText(right, { exact: false }).first().waitFor();
    await maya.waitForURL(/at=/);
  });
});

test('may Support change the tier of a customer? It is tried, and the answer says what decides', async () => {
  await follow(maya, `${stack.console}/access?find=account_tier`);
  await maya.getByText('May a login do this? Try it').press('Enter');
  await maya.getByLabel('Value').press('Enter');
  await maya.getByText('Foundation owns this field: it has one writer.').waitFor();
});

test('a list is dropped, mapped, planned, asked about and applied; its people are in Foundation at once, and an undo takes them away again', {
  timeout: 180_000,
}, async () => {
  const found: string[] = [];
  const check = async (name: string) => void found.push(...(await findFaults(name)));
  const listed = async () =>
    (await stack.call('GET', `${stack.foundation}/api/customers?search=Importer`, { as: 'maya' })).body;
  await follow(maya, `${stack.console}/imports`);
  const list = `id,E-Mail,Name,Phone,Plan,Signed up
1,ada@imported.example,Ada Importer,030 1234567,gold,03/04/2020
2,bo@imported.example,Bo Importer,,,05/06/2021
3,cut@imported.example
4,both@imported.example,Cleo Importer,,,05/06/2021
5,both@imported.example,Dimitri Importer,,,05/06/2021
`;
  const dropped = await maya.evaluateHandle(`(() => {
    const data = new DataTransfer();
    data.items.add(new File([${JSON.stringify(list)}], 'former crm.csv', { type: 'text/csv' }));
    return data;
  })()`);
  const area = maya.getByRole('region', { name: 'Files to import' });
  await area.dispatchEvent('dragover', { dataTransfer: dropped });
  await maya.locator('[data-over=true]').waitFor();
  await area.dispatchEvent('drop', { dataTransfer: dropped });
  await maya.waitForURL(/\/imports\/new/);
  await maya.getByText('5 rows', { exact: false }).waitFor();
  await maya.getByLabel('Dates of Signed up').selectOption('day-first');
  const country = maya.getByRole('combobox', { name: 'Country of telephone numbers' });
  await country.fill('Germ');
  await maya.getByRole('option', { name: 'Germany' }).click();
  await check('import-mapping');
  await maya.getByRole('button', { name: 'Plan the import' }).press('Enter');
  await maya.waitForURL(/\/imports\/\d+/);
  await maya.getByRole('list', { name: 'Created' }).getByText('Ada Importer').waitFor();
  await check('import-plan');
  await maya.getByRole('link', { name: /Rejected/ }).press('Enter');
  await maya.getByText('3,cut@imported.example').waitFor();
  expect((await listed()).customers).toEqual([]);
  await maya.getByRole('link', { name: /Maybe the same/ }).press('Enter');
  const asked = maya.getByRole('group', { name: 'Are Cleo Importer and Dimitri Importer the same person?' });
  await asked.getByRole('button', { name: 'Same person' }).press('Enter');
  const isBehind = maya.getByRole('status').filter({ hasText: 'One answer changes this plan.' });
  await isBehind.waitFor();
  await check('import-candidates');
  await maya.getByRole('button', { name: 'Decide the plan again' }).press('Enter');
  await isBehind.waitFor({ state: 'detached' });
  // The worker ends the order a moment after the plan, and takes no other one until then.
  await expect.poll(() => maya.getByRole('button', { name: 'Give up…' }).isEnabled()).toBe(true);
  await maya.getByRole('link', { name: /Rules/ }).press('Enter');
  await maya.getByLabel('One e-mail address').press('Space');
  await maya.getByRole('button', { name: 'What would change?' }).press('Enter');
  await maya.getByText('0 pairs would no longer be joined').waitFor(); // the answer is above the rule
  await check('import-rules');
  await maya.getByRole('button', { name: 'Apply…' }).press('Enter');
  await maya.getByRole('button', { name: 'Apply', exact: true }).click();
  await maya.getByText('Verified: the database holds what the run says').waitFor();
  expect((await listed()).customers).toHaveLength(3);
  await maya.reload();
  await maya.getByRole('button', { name: 'What would an undo keep?' }).press('Enter');
  await maya.getByRole('link', { name: /An undo keeps/ }).press('Enter');
  await maya.getByText('An undo would remove 3 customers', { exact: false }).waitFor();
  await maya.getByRole('button', { name: 'Undo…' }).press('Enter');
  await maya.getByLabel('Reason').fill('a test');
  await maya.getByLabel('Reason').press('Enter');
  await maya.getByText('The undo has removed 3 customers', { exact: false }).waitFor();
  await expect.poll(async () => (await listed()).customers).toEqual([]);
  expect(found).toEqual([]);
});

test('two records of one person are merged from Foundation, both apps follow at once, and they are taken apart again', async () => {
  const found: string[] = [];
  const check = async (name: string) => void found.push(...(await findFaults(name)));
  const make = async (body: object) =>
    (await stack.call('POST', `${stack.foundation}/api/customers`, { as: 'maya', body })).body;
  const goesOn = await make({ email: 'ida@twofold.example', name: 'Ida Twofold', phone: '+49 30 1234567' });
  const other = await make({ email: 'ida.twofold@mail.example', name: 'I. Twofold', phone: '+49 30 7654321' });
  await stack.call('POST', `${stack.foundation}/api/deals`, {
    as: 'maya',
    body: { customer_id: other.id, name: 'Two of each', amount: 40 },
  });
  const [{ page: crm, errors: crmErrors }, { page: desk, errors: deskErrors }] = await Promise.all([
    signIn(browser, stack.foundation, 'Maya Okafor', { viewport: wide }),
    signIn(browser, stack.support, 'Tom Berglund', { viewport: wide }),
  ]);
  await follow(desk, `${stack.support}/customers/${other.id}`);
  await desk.getByRole('heading', { level: 1, name: 'I. Twofold' }).waitFor();
  await follow(crm, `${stack.foundation}/customers/${goesOn.id}`);
  await crm.getByRole('button', { name: 'Merge…' }).click();
  const dialog = crm.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Compare' }).click();
  await dialog.getByText('Choose the other customer.').waitFor();
  await dialog.getByRole('combobox', { name: 'The other customer' }).fill('ida.twofold@mail');
  await crm.getByRole('option', { name: /I\. Twofold/ }).click();
  // An answer without content leaves the page where it is: the person of this test is signed in to the console elsewhere.
  await intercept(crm, `${stack.console}/**`, (route) => route.fulfill({ status: 204 }));
  const leads = crm.waitForRequest(`${stack.console}/**`);
  await dialog.getByRole('button', { name: 'Compare' }).click();
  const compared = (await leads).url();
  expect(compared).toBe(`${stack.console}/merges/new?survivor=${goesOn.id}&loser=${other.id}`);
  await follow(crm, `${stack.foundation}/customers/${other.id}`);
  await crm.getByRole('heading', { level: 1, name: 'I. Twofold' }).waitFor();

  await follow(maya, compared);
  await maya.getByText('1 deal', { exact: true }).waitFor();
  await check('merge-preview');
  await maya.getByRole('radiogroup', { name: 'Telephone' }).getByRole('radio').first().focus();
  await maya.keyboard.press('ArrowDown');
  await maya.locator('[data-field=phone] [data-side=loser][data-chosen=true]').waitFor();
  await maya.getByLabel('Reason').fill('They called from both numbers');
  await maya.getByLabel('Reason').press('Enter');
  await maya.waitForURL(/\/merges\/[0-9a-f-]{36}/);
  await maya.getByText('They called from both numbers').waitFor();
  // A message under the mouse stays, so that the next one joins it: two of them cover no more of a narrow page than one.
  await maya.getByRole('alert').last().hover();
  // The pages that were open on the merged customer show the one that goes on, and are at its address.
  for (const [page, origin] of [
    [crm, stack.foundation],
    [desk, stack.support],
  ] as const) {
    await page.waitForURL(new RegExp(`^${origin}/customers/${goesOn.id}`));
    await page.getByRole('heading', { level: 1, name: 'Ida Twofold' }).waitFor();
    await page.getByText('Was merged from I. Twofold', { exact: false }).waitFor();
  }
  await crm.getByText('Two of each').first().waitFor();
  await crm.getByText('+49 30 7654321').first().waitFor();
  await check('merge');

  await maya.getByRole('button', { name: 'Take apart…' }).press('Enter');
  await maya.getByText('Ida Twofold gets back: Telephone', { exact: false }).waitFor();
  await maya.getByRole('button', { name: 'Take apart', exact: true }).press('Enter');
  await maya.getByText('Ida Twofold got back: Telephone', { exact: false }).waitFor();
  await check('merge-undone');
  await maya.mouse.move(wide.width / 2, wide.height - 1);
  await crm.getByText('Was merged from').waitFor({ state: 'detached' });
  await crm.getByText('Two of each').waitFor({ state: 'detached' });
  await follow(crm, `${stack.foundation}/customers/${other.id}`);
  await crm.getByRole('heading', { level: 1, name: 'I. Twofold' }).waitFor();
  await crm.getByText('Two of each').first().waitFor();
  await follow(desk, `${stack.support}/customers/${other.id}`);
  await desk.getByRole('heading', { level: 1, name: 'I. Twofold' }).waitFor();
  expect([...found, ...crmErrors, ...deskErrors]).toEqual([]);
});

test('a person is found, given what is held, held back by law, released and erased with a typed confirmation; the receipt says what was done', {
  timeout: 180_000,
}, async () => {
  const found: string[] = [];
  const check = async (name: string) => void found.push(...(await findFaults(name)));
  const address = 'petra@gone.example';
  const { body: person } = await stack.call('POST', `${stack.foundation}/api/customers`, {
    as: 'maya',
    body: { email: address, name: 'Petra Gone', phone: '+49 30 5550001' },
  });
  await stack.call('POST', `${stack.foundation}/api/deals`, {
    as: 'maya',
    body: { customer_id: person.id, name: 'A lamp for Petra', amount: 40 },
  });
  await follow(maya, `${stack.console}/privacy`);
  await maya.getByRole('textbox', { name: 'Find a person' }).fill(' PETRA@gone.example ');
  await maya.keyboard.press('Enter');
  await maya.getByRole('heading', { name: 'Petra Gone' }).waitFor();
  await maya.getByRole('row', { name: 'Deals with the customer. crm.deals 1' }).waitFor();
  await maya.getByRole('heading', { name: 'What erasing would do' }).waitFor();
  expect(maya.url()).not.toContain('gone.example');
  await check('privacy-person');

  await maya.getByRole('button', { name: 'Export…' }).press('Enter');
  await maya.getByRole('textbox', { name: 'Reason' }).fill('request 12');
  const [file] = await Promise.all([
    maya.waitForEvent('download'),
    maya.getByRole('dialog').getByRole('button', { name: 'Export', exact: true }).click(),
  ]);
  expect(file.suggestedFilename()).toMatch(/^person-\d+\.zip$/);

  await maya.getByRole('button', { name: 'Hold…' }).press('Enter');
  await maya.getByRole('textbox', { name: 'Reason' }).fill('A lawsuit');
  await maya.keyboard.press('Enter');
  await maya.getByText('A legal hold keeps this person: A lawsuit', { exact: false }).waitFor();
  expect(await maya.getByRole('button', { name: 'Erase…' }).count()).toBe(0);
  await follow(maya, `${stack.console}/privacy/holds`);
  await maya.getByRole('list', { name: 'Legal holds' }).getByText('A lawsuit').waitFor();
  await check('privacy-holds');
  await maya.getByRole('button', { name: 'Release…' }).press('Enter');
  await maya.getByRole('textbox', { name: 'Reason' }).fill('It is settled');
  await maya.keyboard.press('Enter');
  await maya.getByText('It is settled').waitFor();

  await follow(maya, `${stack.console}/privacy`);
  await maya.getByRole('textbox', { name: 'Find a person' }).fill(person.id);
  await maya.keyboard.press('Enter');
  await maya.getByRole('button', { name: 'Erase…' }).press('Enter');
  const dialog = maya.getByRole('dialog');
  await dialog.getByRole('textbox', { name: 'Reason' }).fill('request 13');
  await dialog.getByRole('textbox', { name: /^Type petra@/ }).fill('petra@else.example');
  await maya.keyboard.press('Enter');
  await dialog.getByText('Type the address as it is shown.').waitFor();
  await dialog.getByRole('textbox', { name: /^Type petra@/ }).fill(address);
  await maya.keyboard.press('Enter');
  await maya.waitForURL(/\/privacy\/receipts\/[0-9a-f-]{36}/);
  await maya.getByText('request 13').waitFor();
  await maya.getByRole('row', { name: /^platform\.customer_emails Deleted\. 1/ }).waitFor();
  await maya.getByText('keyed hashes', { exact: false }).waitFor();
  await check('privacy-receipt');
  const { body: left } = await stack.call('POST', `${stack.console}/api/privacy/find`, {
    as: 'maya',
    body: { who: address },
  });
  expect(left).toMatchObject({ customers: [], held: [] });

  await follow(maya, `${stack.console}/privacy/kept-away`);
  await maya.getByRole('textbox', { name: 'Address or number' }).fill(address);
  await maya.keyboard.press('Enter');
  await maya.getByText('It is kept away', { exact: false }).waitFor();
  await check('privacy-kept-away');
  await maya.getByRole('button', { name: 'Let it come back…' }).press('Enter');
  await maya.getByRole('textbox', { name: 'Reason' }).fill('They came back');
  await maya.keyboard.press('Enter');
  await maya.getByText('It is not kept away.').waitFor();

  await maya.getByRole('navigation', { name: 'Privacy' }).getByRole('link', { name: 'Retention' }).press('Enter');
  await maya.getByRole('button', { name: 'Change Calls' }).press('Enter');
  await maya.getByRole('textbox', { name: 'Days' }).fill('30');
  await maya.getByRole('textbox', { name: 'Reason' }).fill('By law');
  await maya.keyboard.press('Enter');
  await maya.getByText('The log keeps a copy of them for 90 days', { exact: false }).waitFor();
  await maya.getByRole('textbox', { name: 'Days' }).fill('400');
  await maya.getByRole('textbox', { name: 'Reason' }).press('Enter');
  await maya.getByText('Kept for 400 days', { exact: true }).waitFor();
  await check('privacy-retention');
  expect(found).toEqual([]);
});

test('where two people are needed, one asks for a person and a list, the same one is refused, another one confirms; the list is stopped and goes on, and a receipt is lifted', {
  timeout: 180_000,
}, async () => {
  const found: string[] = [];
  const check = async (name: string) => void found.push(...(await findFaults(name)));
  const add = async (name: string) => {
    const body = { email: `${name.toLowerCase()}@two.example`, name: `${name} Two` };
    return (await stack.call('POST', `${stack.foundation}/api/customers`, { as: 'maya', body })).body.id as string;
  };
  const [one, , , held] = [await add('Una'), await add('Duo'), await add('Tria'), await add('Quad')];
  const api = (as: string, path: string, body: object) =>
    stack.call('POST', `${stack.console}/api/privacy/${path}`, { as, body });
  await api('maya', 'holds', { customer: held, reason: 'A lawsuit' });
  await stack.asOwner(`
    update platform.privacy_settings set two_people = true;
    update platform.users set role = 'admin' where email = 'tom.berglund@aether.example'`);
  // The page of Maya becomes Tom's, and hers again: a second one would have all its scripts to read.
  const become = async (persona: Persona) => {
    await choose(maya.context(), stack.console, persona);
    await maya.goto(`${stack.console}/privacy`);
    await maya.getByRole('button', { name: persona }).waitFor();
  };
  try {
    // One person: Maya asks, and may not confirm it.
    await follow(maya, `${stack.console}/privacy`);
    await maya.getByRole('textbox', { name: 'Find a person' }).fill('una@two.example');
    await maya.keyboard.press('Enter');
    await maya.getByRole('button', { name: 'Erase…' }).press('Enter');
    await maya.getByRole('dialog').getByRole('textbox', { name: 'Reason' }).fill('request 20');
    await maya
      .getByRole('dialog')
      .getByRole('textbox', { name: /^Type una@/ })
      .fill('una@two.example');
    await maya.getByRole('dialog').getByRole('button', { name: 'Ask for the erasure' }).press('Enter');
    await maya.getByText('waits for a second person').waitFor();
    await follow(maya, `${stack.console}/privacy`);
    await maya.getByRole('textbox', { name: 'Find a person' }).fill('una@two.example');
    await maya.keyboard.press('Enter');
    await maya.getByText('You have asked for the erasure', { exact: false }).waitFor();
    expect(await maya.getByRole('button', { name: /Erase…|Confirm the erasure…/ }).count()).toBe(0);
    await check('privacy-asked');
    const same = await api('maya', 'erasures', { customer: one, reason: 'request 20' });
    expect(same.body).toMatchObject({ state: 'asked', already_done: true });

    // A list: the dry run says whom it finds and whom not.
    await maya.getByRole('navigation', { name: 'Privacy' }).getByRole('link', { name: 'Lists' }).press('Enter');
    await maya.getByText('No list was erased yet').waitFor();
    await check('privacy-lists');
    const people = maya.getByRole('textbox', { name: 'People, one a line' });
    await people.fill('# from the form\n\n');
    await maya.getByText('The list names nobody', { exact: false }).waitFor();
    expect(await maya.getByRole('button', { name: 'Dry run' }).isDisabled()).toBe(true);
    await people.fill('# from the form\nduo@two.example\ntria@two.example\nquad@two.example\nnobody@two.example\n');
    await maya.getByRole('button', { name: 'Dry run' }).press('Enter');
    const dry = maya.getByRole('region', { name: 'Dry run' });
    await dry.getByRole('list', { name: 'Refused lines' }).getByText('line 4').waitFor();
    await dry.getByText('1: A legal hold keeps this customer.').waitFor();
    await dry.getByText('1: No customer is known by this.').waitFor();
    await dry.getByRole('row', { name: 'platform.customer_emails Deleted. 2' }).waitFor();
    await check('privacy-list-dry');
    await maya.getByRole('button', { name: 'Ask for the erasure of 2 people…' }).press('Enter');
    await maya.getByRole('dialog').getByRole('textbox', { name: 'Reason' }).fill('request 21');
    await maya.getByRole('dialog').getByRole('textbox', { name: 'Type 2 to confirm' }).fill('4');
    await maya.keyboard.press('Enter');
    await maya.getByText('Type the number as it is shown.').waitFor();
    await maya.getByRole('dialog').getByRole('textbox', { name: 'Type 2 to confirm' }).fill('2');
    await maya.keyboard.press('Enter');
    await maya.waitForURL(/\/privacy\/lists\/[0-9a-f-]{36}/);
    await maya.getByText('Another administrator than who has asked confirms it.', { exact: false }).waitFor();
    const id = maya.url().split('/').at(-1) ?? '';
    expect(await maya.getByRole('button', { name: 'Confirm the erasure' }).count()).toBe(0);
    // To try the refused line again erases nobody.
    await maya.getByRole('button', { name: 'Try refused ones again' }).press('Enter');
    const standing = async () =>
      (await stack.call('GET', `${stack.console}/api/privacy/jobs/${id}`, { as: 'maya' })).body;
    await expect.poll(async () => (await standing()).refused.length).toBe(2);
    await expect.poll(async () => (await standing()).is_running).toBe(false);
    expect(await standing()).toMatchObject({ asked: 2, erased: 0, confirmable: 0 });

    // Tom confirms both. The list is stopped at the first person, whom somebody holds, and goes on.
    await become('Tom Berglund');
    await maya.getByRole('textbox', { name: 'Find a person' }).fill('una@two.example');
    await maya.keyboard.press('Enter');
    await maya.getByRole('button', { name: 'Confirm the erasure…' }).press('Enter');
    await maya.getByRole('dialog').getByRole('textbox', { name: 'Reason' }).fill('request 20');
    await maya
      .getByRole('dialog')
      .getByRole('textbox', { name: /^Type una@/ })
      .fill('una@two.example');
    await maya.keyboard.press('Enter');
    await maya.getByRole('row', { name: /^platform\.customer_emails Deleted\. 1/ }).waitFor();
    await follow(maya, `${stack.console}/privacy/lists`);
    await maya.getByRole('link', { name: 'request 21' }).press('Enter');
    const confirm = maya.getByRole('button', { name: 'Confirm the erasure' });
    await withMigrator(stack.databaseUrl('platform_migrator'), async (owner) => {
      await owner.query('begin');
      await owner.query(`select from platform.customers where email_key = 'duo@two.example' for update`);
      await confirm.press('Enter');
      await maya.getByText('1 of 4', { exact: false }).waitFor();
      await maya.getByRole('progressbar').waitFor();
      await check('privacy-list-running');
      await maya.getByRole('button', { name: 'Stop', exact: true }).press('Enter');
      await maya.getByRole('button', { name: 'Stopping' }).waitFor();
      await owner.query('rollback');
    });
    await maya.getByRole('progressbar').waitFor({ state: 'detached' });
    await maya.getByRole('row', { name: /^line 2 Erased\./ }).waitFor();
    await maya.getByRole('row', { name: /^line 3 Asked for\./ }).waitFor();
    await maya.getByRole('button', { name: 'Go on, and confirm' }).press('Enter');
    await maya.getByRole('row', { name: /^line 3 Erased\./ }).waitFor();
    await maya.getByRole('row', { name: /^line 5 Refused\. No customer is known/ }).waitFor();
    await check('privacy-list-done');
    const [file] = await Promise.all([
      maya.waitForEvent('download'),
      maya.getByRole('link', { name: 'Download as CSV' }).click(),
    ]);
    expect(await readFile(await file.path(), 'utf8')).toMatch(
      /4,refused,[0-9a-f-]{36},,A legal hold keeps this customer\./,
    );

    // By the receipt, all comes back that the erasure keeps away.
    await maya
      .getByRole('row', { name: /^line 2 / })
      .getByRole('link', { name: 'Receipt' })
      .press('Enter');
    await maya.getByRole('button', { name: 'Let the person come back…' }).press('Enter');
    // The dialog comes in a part of its own: a key before it has the focus opens it once more.
    await maya.locator('[role=dialog] :focus').waitFor();
    await maya.keyboard.press('Enter');
    await maya.getByText('Say why: everybody sees it later.').waitFor();
    await maya.getByRole('textbox', { name: 'Reason' }).fill('They came back');
    await maya.keyboard.press('Enter');
    await maya.getByText('1 by Tom Berglund', { exact: false }).waitFor();
    expect(await maya.getByRole('button', { name: 'Let the person come back…' }).count()).toBe(0);
    await check('privacy-receipt-lifted');
    expect(found).toEqual([]);
  } finally {
    await stack.asOwner(`
      update platform.privacy_settings set two_people = false;
      update platform.users set role = 'steward' where email = 'tom.berglund@aether.example'`);
    await become('Maya Okafor');
  }
});

test('duplicates are decided by keyboard, the next pair is there before the answer is, and decisions are undone', {
  timeout: 120_000,
}, async () => {
  const found: string[] = [];
  const check = async (name: string) => void found.push(...(await findFaults(name)));
  const make = async (name: string, n: number, more: object = {}) => {
    const body = { email: `${name.toLowerCase().replaceAll(/[^a-z]+/g, '.')}${n}@pairs.example`, name, ...more };
    return (await stack.call('POST', `${stack.foundation}/api/customers`, { as: 'maya', body })).body.id as string;
  };
  const propose = (pairs: [a: string, b: string, score: number][]) =>
    stack.asOwner(
      `select platform.propose_candidates('${JSON.stringify(
        pairs.map(([a, b, score]) => ({ a, b, score, reasons: ['family.equal', 'given.different'] })),
      )}', 'import', 'matching-1')`,
    );
  const pairs: [a: string, b: string, score: number][] = [];
  for (const [n, name] of ['Vega', 'Wells', 'Xavier'].entries())
    pairs.push([
      await make(`Una ${name}`, 1, { phone: `+49 30 555010${n}` }),
      await make(`U. ${name}`, 2),
      0.9 - n / 10,
    ]);
  const [una, ulla, ute] = [await make('Una Yates', 1), await make('Ulla Yates', 2), await make('Ute Yates', 3)];
  // Of imports alone, as the page is asked below: others come and go as the demo's customers are looked through.
  const ofImports = `${stack.console}/api/duplicates?source=import`;
  const countAll = async (...states: string[]) => {
    const { counts } = (await stack.call('GET', ofImports, { as: 'maya' })).body;
    return states.map((state) => counts[state]);
  };
  // Other tests decide as well, and make customers whose pairs are found a moment later. These are found by now, and an import's take them over.
  const behind = async () =>
    (await stack.call('GET', `${stack.console}/api/subscriptions`, { as: 'maya' })).body.subscriptions.find(
      ({ name }: { name: string }) => name === 'sync.duplicates',
    )?.behind_positions;
  const isNumbered = `do $$ begin if sync.outbox_age() is not null then raise exception 'events wait for their number'; end if; end $$`;
  await expect
    .poll(() =>
      stack.asOwner(isNumbered).then(
        () => true,
        () => false,
      ),
    )
    .toBe(true);
  await expect.poll(behind).toBe(0);
  const decided = await stack.call('GET', `${stack.console}/api/duplicates/decisions`, { as: 'maya' });
  const before: number = decided.body.acts.length;
  const [wereOpen, wereDifferent, wereMerged, wereUnsure] = await countAll('open', 'different', 'merged', 'unsure');
  await propose([...pairs, [una, ulla, 0.6], [ulla, ute, 0.3]]);
  const shows = (name: string) => maya.getByRole('heading', { level: 1, name }).waitFor();

  await maya.setViewportSize(wide);
  // Pairs of the demo's own customers may be there as well. However many there are, the choice of a state fits.
  await intercept(maya, /\/api\/duplicates\?/, async (route) => {
    const response = await route.fetch();
    const counts = { open: 10_001, unsure: 10_001, merged: 10_001, different: 10_001 };
    await route.fulfill({ response, json: { ...(await response.json()), counts } });
  });
  await follow(maya, `${stack.console}/duplicates?source=import`);
  await maya.getByRole('link', { name: 'Una Vega and U. Vega' }).waitFor();
  await maya.getByText('Different 10,000+').waitFor();
  await check('duplicates');
  await maya.unroute(/\/api\/duplicates\?/);
  await maya.getByRole('link', { name: 'Review' }).press('Enter');
  await shows('Una Vega and U. Vega');
  await maya
    .getByRole('row', { name: /^Telephone/ })
    .getByText('only one')
    .waitFor();
  await check('duplicate');
  // The answer to the first decision is held back until the next pair is on the screen.
  const isShown = Promise.withResolvers<void>();
  await intercept(maya, '**/api/duplicates/decisions', async (route) => {
    await isShown.promise;
    await route.continue();
  });
  const answered = maya.waitForResponse('**/api/duplicates/decisions');
  await maya.keyboard.press('d');
  await shows('Una Wells and U. Wells');
  isShown.resolve();
  expect((await answered).status()).toBe(200);
  await maya.unroute('**/api/duplicates/decisions');
  await maya.keyboard.press('u');
  await shows('Una Xavier and U. Xavier');
  for (const key of 'zz') await maya.keyboard.press(key);
  await shows('Una Vega and U. Vega');
  expect(await countAll('different', 'unsure')).toEqual([wereDifferent, wereUnsure]);
  await maya.getByText('4 behind this one').waitFor();
  await maya.keyboard.press('d');
  await shows('Una Wells and U. Wells');
  await maya.getByRole('button', { name: /^Not sure/ }).waitFor();
  await maya.keyboard.press('x');
  await maya.keyboard.press('m');
  await shows('Una Xavier and U. Xavier');
  // Decided elsewhere meanwhile: the decision is refused, and the undo that follows it at once is not about an older one.
  const seen = [{ id: new URL(maya.url()).pathname.split('/').at(-1), state: 'open' }];
  const elsewhere = { pairs: seen, decision: 'unsure' };
  await stack.call('POST', `${stack.console}/api/duplicates/decisions`, { as: 'maya', body: elsewhere });
  const isAsked = Promise.withResolvers<void>();
  await intercept(maya, '**/api/duplicates/decisions', async (route) => {
    await isAsked.promise;
    await route.continue();
  });
  for (const key of 'uz') await maya.keyboard.press(key);
  isAsked.resolve();
  await maya.getByText('Nothing was decided about Una Xavier and U. Xavier').waitFor();
  await maya.unroute('**/api/duplicates/decisions');
  await shows('Una Yates and Ulla Yates');
  await expect
    .poll(() => countAll('different', 'merged', 'unsure'))
    .toEqual([wereDifferent + 1, wereMerged + 1, wereUnsure + 1]);
  await maya.getByText('Ute Yates is joined to the rest only through Ulla Yates', { exact: false }).waitFor();
  await check('duplicate-cluster');
  await maya.getByRole('button', { name: /^Leave out Ute Yates/ }).press('Enter');
  await maya.getByRole('link', { name: 'Ute Yates' }).waitFor({ state: 'detached' });
  await maya.keyboard.press('m');
  await maya.getByText('No pair is here').waitFor();
  const undos = maya.getByRole('list', { name: 'Your last decisions' }).getByRole('button', { name: /^Undo: / });
  await expect.poll(() => undos.count()).toBe(before + 5);
  await check('duplicates-decided');
  for (let left = before + 4; left >= before; left--) {
    await undos.first().press('Enter');
    await expect.poll(() => undos.count()).toBe(left);
  }
  await maya.getByRole('link', { name: 'Una Wells and U. Wells' }).waitFor();
  expect(await countAll('open', 'different', 'merged')).toEqual([wereOpen + 5, wereDifferent, wereMerged]);
  // A refusal is over a narrow page until it is read; the next test measures pages.
  const hide = maya.getByRole('button', { name: 'Hide this message' });
  while ((await hide.count()) > 0)
    await hide
      .first()
      .click({ timeout: 300 }) // one that goes by itself meanwhile is not waited for
      .catch(() => {});
  expect(found).toEqual([]);
});

test('the pages of one event, one failure, one subscription, one customer, one finding and one runbook fit and have no barrier', async () => {
  const found: Record<string, string[]> = {};
  const [event] = (await stack.call('GET', `${stack.console}/api/log?type=customer.created&limit=1`, { as: 'maya' }))
    .body.events;
  const subscription = 'foundation.history';
  await stack.asOwner(`
    insert into sync.parked (subscription, position, key, customer, state, attempts, error, cause)
    select '${subscription}', e.position, e.key, e.customer, 'dead', 12, 'Error: the printer is off', lpad('1', 16, '0')
    from sync.events e where e.position = ${event.position};
    insert into sync.consumer_effects (event, consumer, state, attempt, lag_ms, at)
    values (${event.id}, 'billing', 'dead', 12, 61000, now()), (${event.id}, 'warehouse', 'handled', 1, 420, now())`);
  const pages: Record<string, [path: string, shown: string]> = {
    event: [`/events/${event.position}`, 'Over Service Bus'],
    'failures-of': [`/failures/${subscription}`, 'the printer is off'],
    failure: [`/failures/${subscription}/${event.position}`, 'Dead after 12 attempts'],
    subscription: [`/subscriptions/${subscription}`, 'Replay…'],
    customer: [`/customers/${event.customer}`, 'What has changed since'],
    finding: ['/quality?finding=address.unreachable', 'Correct'],
    runbook: ['/runbooks/sequencer', 'Likely causes'],
  };
  for (const [name, [path, shown]] of Object.entries(pages)) {
    await maya.setViewportSize(wide);
    await follow(maya, `${stack.console}${path}`);
    await maya.getByRole('main').getByText(shown).first().waitFor();
    found[name] = await findFaults(name, pageWidths);
  }
  await follow(maya, `${stack.console}/subscriptions/${subscription}`);
  await maya.getByRole('button', { name: 'Replay…' }).press('Enter');
  await maya.getByRole('dialog').getByText(`Replay to ${subscription}`).waitFor();
  found.replay = await findFaults('replay');
  await maya.keyboard.press('Escape');
  await stack.asOwner(
    `delete from sync.parked where subscription = '${subscription}'; delete from sync.consumer_effects`,
  );
  expect(found).toEqual(Object.fromEntries(Object.keys(found).map((name) => [name, []])));
});

test('a webhook is added by keyboard, its secret shown once, its receiver tried, and a wrong address refused at its field', async () => {
  const receiver = createServer((_request, response) => response.writeHead(401).end()).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  atEnd(async () => void receiver.close());
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;
  const found: string[] = [];
  await maya.setViewportSize(wide);
  await follow(maya, `${stack.console}/apps?app=support`);
  await maya.getByRole('region', { name: 'support' }).getByText('support_app', { exact: false }).waitFor();
  await maya
    .getByText('Nothing is missing or odd.')
    .or(maya.getByRole('list', { name: 'What is odd about support' }))
    .waitFor();
  await follow(maya, `${stack.console}/webhooks?app=support`);
  await maya.getByRole('button', { name: 'Add a webhook…' }).press('Enter');
  const dialog = maya.getByRole('dialog');
  await dialog.getByLabel('Name').fill('looked-at');
  await dialog.getByLabel('Address').fill(url);
  await dialog.getByLabel('Address').press('Enter');
  await dialog.getByText('Choose at least one type.').waitFor();
  await dialog.getByLabel('Types of events').fill('customer.updated');
  await dialog.getByLabel('Types of events').press('Enter');
  await maya.keyboard.press('Escape'); // the choices
  found.push(...(await findFaults('webhook-add')));
  await dialog.getByLabel('Address').press('Enter');
  await dialog.getByText(/^whsec_/).waitFor();
  await dialog.getByRole('button', { name: 'I have it' }).press('Enter');
  await maya.waitForURL(/webhooks\/support\.looked-at$/);
  await maya.getByRole('button', { name: 'Send a test' }).press('Enter');
  await maya
    .getByRole('list', { name: 'Last attempts' })
    .getByText('missed the new secret', { exact: false })
    .waitFor();
  found.push(...(await findFaults('webhook')));
  await maya.getByRole('button', { name: 'Edit…' }).press('Enter');
  await dialog.getByLabel('Address').fill('https://10.0.0.1/hook');
  await dialog.getByLabel('Address').press('Enter');
  await dialog.getByText('not on the public internet', { exact: false }).waitFor();
  await maya.keyboard.press('Escape');
  await maya.getByRole('button', { name: 'Remove…' }).press('Enter');
  await dialog.getByLabel('Reason').press('Enter');
  await maya.getByText('support has no webhook').or(maya.getByText('No app has a webhook')).waitFor();
  expect(found).toEqual([]);
});

const pageWidths = isLong ? [wide.width, 768, 360] : [wide.width, 360];
/** They consist of the parts of a screen that is looked at before, with other words: it has to be seen only whether those fit. */
const knownScreens = new Set(['merge-undone', 'privacy-asked', 'privacy-receipt-lifted', 'duplicates-decided']);

/** The screens with colours of their own, which are looked at in both schemes. The others consist of the same parts, and take turns: each in the
 * scheme that the one before ended with. `npm run test:long` looks at all of them in both. */
const inBoth = new Set([
  'health',
  'subscriptions',
  'consumers',
  'apps',
  'quality',
  'imports',
  'import-plan',
  'import-candidates',
  'merge-preview',
  'access',
  'event',
  'failure',
  'customer',
  'privacy-list-done',
  'duplicate',
]);

type Scheme = 'light' | 'dark';
/** Each page begins with the scheme that the page before it ended with. */
let scheme: Scheme = 'light';

/** What is wrong with what the page shows, in the schemes of inBoth and at these widths. */
async function findFaults(name: string, widths = [wide.width, 360]): Promise<string[]> {
  await look(`console-${name}`, scheme, wide);
  const found: string[] = [];
  if (!knownScreens.has(name)) {
    found.push(...(await findBarriers(maya)));
    if (isLong || pictures || process.env.AETHER_LOOK || inBoth.has(name)) {
      await look(`console-${name}`, scheme === 'light' ? 'dark' : 'light', wide);
      found.push(...(await findBarriers(maya, 'colours')));
    }
  }
  found.push(...(await measure(maya, widths)));
  if (pictures || process.env.AETHER_LOOK) await look(`console-${name}`, 'light', narrow);
  await maya.setViewportSize(wide);
  return found;
}

async function look(name: string, colorScheme: Scheme, viewport: typeof wide): Promise<void> {
  if (colorScheme !== scheme) await maya.emulateMedia({ colorScheme });
  scheme = colorScheme;
  await maya.setViewportSize(viewport);
  await maya.locator(`html[data-mantine-color-scheme="${colorScheme}"]`).waitFor();
  await maya.evaluate(settled);
  const picture = `${name}-${colorScheme}-${viewport === wide ? 'wide' : 'narrow'}`;
  const folder = pictures && shownInDocs.has(picture) ? pictures : process.env.AETHER_LOOK;
  if (folder) await maya.screenshot({ path: `${folder}/${picture}.png` });
}

/** The screens that docs/console.md shows. */
const shownInDocs = new Set(['console-health-light-wide', 'console-health-dark-wide', 'console-health-light-narrow']);

/** An hour as the house may measure it: a picture shall not show the one minute since the start. */
async function fillCharts(): Promise<void> {
  const ask = async (path: string) => (await stack.call('GET', `${stack.console}/api/${path}`, { as: 'maya' })).body;
  const isMeasured = async () =>
    (await ask('health/series')).series.some(
      ({ name, points }: { name: string; points: [number, number | null][] }) =>
        name === 'quality_duplicates' && points.some(([, value]) => value !== null),
    );
  while ((await ask('health')).worst !== 'ok' || !(await isMeasured()))
    await new Promise((resolve) => setTimeout(resolve, 500));
  await stack.asOwner(`
    insert into sync.rollup (step_seconds, at, measured)
    select 60, date_trunc('minute', now()) - make_interval(mins => m), array_agg((case
        when s.name = 'customers_created' then floor(random() * 5) * (s.label <> 'console')::integer
        when s.name = 'activities_logged' then floor(random() * 7)
        when s.name = 'cross_app_queries' then 14 + 6 * sin(m / 7.0 + s.id) + random() * 3
        when s.name like 'queries_%' then floor(900 * exp(-abs(substr(s.name, 9)::integer - 4) * (1.1 + 0.2 * sin(m / 9.0))))
        when s.name = 'pool_in_use' then 2 + floor(random() * 3)
        when s.name like 'lag_seconds' then 0.02 + random() * 0.05
        else last.measured[s.id] end)::real order by s.id)
    from generate_series(1, 58) m cross join sync.series s
      cross join (select r.measured from sync.rollup r where r.step_seconds = 60 order by r.at desc limit 1) last
    group by m
    on conflict (step_seconds, at) do update set measured = excluded.measured`);
}
