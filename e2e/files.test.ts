import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { atEnd } from '@aether/database/testing';
import { makeImage } from '@aether/files/testing';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { openBrowser } from './testing.browser.ts';
import { giveFile, widthOf } from './testing.giving.mjs';
import { findMisfits } from './testing.misfits.mjs';
import { follow, type Stack, signIn, startStack } from './testing.stack.ts';
import { conversationOf, takeVisitor, visitorOn } from './testing.widget.ts';

let browser: Browser;
let stack: Stack;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
}, 240_000);

const image = (kind: 'png' | 'jpeg', name: string, width = 600, height = 400) => ({
  name,
  mimeType: `image/${kind}`,
  buffer: makeImage(kind, width, height),
});

/** A site whose policy allows the widget's scripts and calls, and no image but its own. */
async function startSite(key: string): Promise<string> {
  const server = createServer((_, response) => {
    response.setHeader('Content-Type', 'text/html');
    response.setHeader(
      'Content-Security-Policy',
      `default-src 'none'; script-src ${stack.support}; connect-src ${stack.support}; img-src 'self'`,
    );
    response.end(
      `<!doctype html><html lang="en"><title>Site</title><main><h1>Site</h1></main><script async src="${stack.support}/widget.js" data-key="${key}"></script></html>`,
    );
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  atEnd(async () => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Takes a picture if AETHER_LOOK is set. */
async function look(page: Page, name: string): Promise<void> {
  const folder = process.env.AETHER_LOOK;
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`) });
}

const give = (page: Page, label: string, event: 'paste' | 'drop', { buffer, ...file }: ReturnType<typeof image>) =>
  page.getByRole('textbox', { name: label }).evaluate(giveFile, { ...file, event, bytes: [...buffer] });

test('images go from a visitor to an agent and back, and into a note: by button, paste and drop; what is no image says so', async () => {
  const { page: priya, errors } = await signIn(browser, stack.support, 'Priya Nair');
  const key = (await stack.call('POST', `${stack.support}/api/widgets`, { as: 'maya', body: { name: 'Pictures' } }))
    .body.key;
  await stack.call('POST', `${stack.support}/api/agents/me/seen`, { as: 'priya', body: {} });
  const site = await startSite(key);
  const { page, leave } = await takeVisitor(browser, site);
  await page.goto(site);
  await page.locator('aether-widget').waitFor({ state: 'attached' });
  const visitor = visitorOn(page);
  await visitor.open();
  const email = 'vera.pictures@post.example';
  await visitor.introduce('Vera Pictures', email);

  // A page that calls itself an image is refused in the visitor's words, and does not hold up the others.
  const picker = visitor.panel.locator('input[type=file]');
  await picker.setInputFiles([
    { name: 'cat.png', mimeType: 'image/png', buffer: Buffer.from('<!doctype html><script>alert(1)</script>') },
    image('png', 'broken lamp.png'),
  ]);
  await visitor.sees('This kind of file cannot be sent.').waitFor();
  await visitor.panel.getByRole('button', { name: 'Discard: cat.png' }).click();
  await visitor.say('It is broken');
  await visitor.sees('Sent').waitFor();
  const drawn = (name: string) =>
    expect.poll(() => visitor.panel.getByRole('img', { name }).evaluate(widthOf)).toBe(480);
  await drawn('broken lamp.png');
  await look(page, 'files-widget');

  const id = (await conversationOf(stack, email))?.session.id as string;
  await follow(priya, `${stack.support}/sessions/${id}?view=all`);
  const messages = priya.getByRole('log', { name: 'Messages' });
  const isLoaded = (name: string) => expect.poll(() => messages.getByRole('img', { name }).evaluate(widthOf)).toBe(480);
  await isLoaded('broken lamp.png');
  const answer = 'Answer to Vera Pictures';
  await give(priya, answer, 'paste', image('jpeg', 'new lamp.html'));
  await give(priya, answer, 'drop', image('png', 'bulb.png', 300, 900));
  await priya.getByRole('list', { name: 'Files to be sent' }).getByText('KB').nth(1).waitFor();
  await look(priya, 'files-tray');
  await priya.getByRole('button', { name: 'Send' }).click();
  await isLoaded('new lamp.html');
  await drawn('new lamp.html');
  await look(priya, 'files-console');
  if (process.env.AETHER_LOOK) {
    await priya.emulateMedia({ colorScheme: 'dark' });
    await priya.setViewportSize({ width: 390, height: 844 });
    await look(priya, 'files-console-dark-narrow');
    await page.setViewportSize({ width: 390, height: 844 });
    await look(page, 'files-widget-narrow');
    await priya.emulateMedia({ colorScheme: 'light' });
    await priya.setViewportSize({ width: 1440, height: 900 });
  }
  expect(await priya.evaluate(findMisfits)).toEqual([]);
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    visitor.panel.getByRole('button', { name: 'new lamp.html' }).click(),
  ]);
  expect(saved.suggestedFilename()).toBe('new lamp.html.jpg');

  const conversation = await conversationOf(stack, email);
  const customerId = conversation?.session.customer_id;
  const { page: maya } = await signIn(browser, stack.foundation, 'Maya Okafor');
  await follow(maya, `${stack.foundation}/customers/${customerId}`);
  await maya.getByLabel('Files to attach').setInputFiles(image('png', 'offer.png'));
  await maya.getByRole('button', { name: 'Add note' }).click();
  await expect.poll(() => maya.getByRole('img', { name: 'offer.png' }).evaluate(widthOf)).toBe(480);
  await look(maya, 'files-note');
  expect(await maya.evaluate(findMisfits)).toEqual([]);
  expect(errors).toEqual([]);
  await leave();
}, 90_000);
