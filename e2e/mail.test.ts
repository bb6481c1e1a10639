import { makeImage } from '@aether/files/testing';
import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { openBrowser, undoLast } from './testing.browser.ts';
import { findMisfits } from './testing.misfits.mjs';
import { follow, signIn, startStack } from './testing.stack.ts';

/** They consist of what another picture shows, with other words. */
const looksLikeAnother = new Set(['mail-waiting', 'mail-answering']);

/** Takes a picture if AETHER_LOOK is set, in both schemes and on a telephone. */
async function look(page: Page, name: string): Promise<void> {
  expect([name, await page.evaluate(findMisfits)]).toEqual([name, []]);
  if (!looksLikeAnother.has(name)) expect([name, await findBarriers(page)]).toEqual([name, []]);
  const folder = process.env.AETHER_LOOK;
  if (!folder) return;
  for (const colorScheme of ['dark', 'light'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${folder}/${name}-${colorScheme}.png` });
  }
  await page.setViewportSize({ width: 390, height: 800 });
  await page.screenshot({ path: `${folder}/${name}-narrow.png` });
  await page.setViewportSize({ width: 1440, height: 900 });
}

test('what is written to a visitor who has gone, and to a customer, goes as e-mail, and answers come back live, with the whole mail behind them', async () => {
  const [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  const address = 'gone.visitor@post.example';
  const opened = await stack.call('POST', `${stack.support}/api/widgets/${stack.widgetKey}/sessions`, {
    body: { email: address, name: 'Gone Visitor' },
  });
  const { session_id: id, visitor_token: bearer } = opened.body;
  const visitors = `${stack.support}/api/sessions/${id}`;
  await stack.call('POST', `${visitors}/messages`, {
    bearer,
    body: { client_id: 'gone-1', body: 'Is it waterproof?' },
  });
  await stack.call('POST', `${visitors}/hand-over`, { bearer, body: {} });
  /** The mails that wait go now. */
  const handOver = () => stack.asOwner('update platform.mails set not_before = now()');

  const { page: priya, errors } = await signIn(browser, stack.support, 'Priya Nair');
  await follow(priya, `${stack.support}/sessions/${id}`);
  await priya.getByLabel('Answer to Gone Visitor').fill('Yes, down to ten metres.');
  await priya.keyboard.press('Control+Enter');
  await priya.getByText(`Goes to ${address} by e-mail, unless it is read here first.`).waitFor();
  await look(priya, 'mail-waiting');
  await handOver();
  await priya.getByText(/^Sent by e-mail/).waitFor();

  const mails = await browser.newPage();
  await mails.goto(stack.mails);
  await mails
    .getByRole('link', { name: /Your conversation with/ })
    .first()
    .click();
  await mails.getByText('Yes, down to ten metres.').waitFor();
  expect(await findBarriers(mails)).toEqual([]);
  if (process.env.AETHER_LOOK) await mails.screenshot({ path: `${process.env.AETHER_LOOK}/mail-caught.png` });
  await mails.getByLabel('Answer', { exact: true }).fill('Then I take two.');
  await mails.getByLabel('Attachments').setInputFiles([
    { name: 'colours.png', mimeType: 'image/png', buffer: makeImage('png', 320, 200) },
    { name: 'setup.exe', mimeType: 'application/octet-stream', buffer: Buffer.from('MZ\x90\0\x03') },
  ]);
  await mails.getByRole('button', { name: 'Send the answer' }).click();
  await mails.getByText('It is in the conversation or the timeline now.').waitFor();

  await priya.getByRole('log').getByText('Then I take two.').waitFor();
  await priya.getByText('By e-mail', { exact: true }).waitFor();
  await priya.getByRole('img', { name: 'colours.png' }).waitFor();
  await priya.getByText('Not taken: setup.exe. This kind of file cannot be sent.').waitFor();
  await look(priya, 'mail-answered');
  await priya.getByRole('button', { name: 'The whole mail' }).click();
  const dialog = priya.getByRole('dialog');
  await dialog.getByText('> Yes, down to ten metres.').waitFor();
  await look(priya, 'mail-whole');
  await priya.keyboard.press('Escape');

  const stranger = 'writes.first@post.example';
  await mails.goto(`${stack.mails}/write`);
  await mails.getByLabel('From').fill(stranger);
  await mails.getByLabel('Subject').fill('Boots for a wedding');
  await mails.getByLabel('Text').fill('Do you have black ones?');
  await mails.getByRole('button', { name: 'Send' }).click();
  await mails.getByText('It has opened a conversation in Support.').waitFor();
  expect(await findBarriers(mails)).toEqual([]);
  const { body: list } = await stack.call('GET', `${stack.support}/api/sessions?limit=100`, { as: 'priya' });
  const begun = list.sessions.find((each: { visitor_email: string }) => each.visitor_email === stranger);
  await follow(priya, `${stack.support}/sessions/${begun.id}`);
  await priya.getByText('By e-mail, its sender is not verified').waitFor();
  await priya.getByText('Boots for a wedding').first().waitFor();
  await priya.keyboard.press('n');
  await priya.getByLabel('Files to attach').setInputFiles({
    name: 'stock.png',
    mimeType: 'image/png',
    buffer: makeImage('png', 320, 120),
  });
  await priya.getByLabel('Note for the other agents').fill('We have these.');
  await priya.keyboard.press('Enter');
  await priya.getByRole('img', { name: 'stock.png' }).waitFor();
  await look(priya, 'mail-opened');
  expect(errors).toEqual([]);

  const { page: maya, errors: others } = await signIn(browser, stack.foundation, 'Maya Okafor');
  const { body: customer } = await stack.call('POST', `${stack.foundation}/api/customers`, {
    as: 'maya',
    body: { name: 'Mailed Customer', email: 'mailed.customer@post.example' },
  });
  await follow(maya, `${stack.foundation}/customers/${customer.id}`);
  const write = async (subject: string) => {
    await maya.getByRole('heading', { name: 'Mailed Customer' }).waitFor();
    await maya.keyboard.press('m');
    const form = maya.getByRole('dialog', { name: 'E-mail to Mailed Customer' });
    await form.getByLabel('Subject').fill(subject);
    await form.getByLabel('Text').fill('Here is what we spoke about.');
    if (subject === 'The offer') await look(maya, 'mail-writing');
    // Without the customer's addresses, which come a moment after the dialog, it cannot be sent.
    await form.getByRole('button', { name: 'Send', disabled: false }).waitFor();
    await maya.keyboard.press('Control+Enter');
    await form.waitFor({ state: 'detached' });
  };
  await write('The wrong offer');
  await undoLast(maya);
  await maya.getByText('Taken back, not sent').waitFor();
  await write('The offer');
  await maya.getByText('Goes in a moment', { exact: true }).waitFor();
  await handOver();
  await maya.getByText('Sent', { exact: true }).waitFor();
  await look(maya, 'mail-sent');

  await mails.goto(stack.mails);
  await mails.getByRole('link', { name: 'The offer' }).first().click();
  await mails.getByLabel('Answer', { exact: true }).fill('Agreed.');
  await mails.getByRole('button', { name: 'Send the answer' }).click();
  await mails.close();
  await maya
    .getByText('Agreed.')
    .or(maya.getByRole('button', { name: '1 new' }))
    .first()
    .waitFor();
  const news = maya.getByRole('button', { name: '1 new' });
  if (await news.isVisible()) await news.click();
  await maya.getByText('Agreed.').waitFor();
  await maya.getByRole('button', { name: 'Answer' }).click();
  const answer = maya.getByRole('dialog');
  expect(await answer.getByLabel('Subject').inputValue()).toBe('Re: The offer');
  await look(maya, 'mail-answering');
  expect(others).toEqual([]);
}, 240_000);
