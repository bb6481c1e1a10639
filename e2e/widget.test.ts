import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEnd } from '@aether/database/testing';
import type { Browser, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { findBarriers } from './testing.barriers.ts';
import { intercept, type OwnPage, openBrowser } from './testing.browser.ts';
import { findMisfits } from './testing.misfits.mjs';
import { type Stack, startStack } from './testing.stack.ts';
import { conversationOf, takeVisitor, type Visitor, visitorBrowser, visitorOn } from './testing.widget.ts';

type Sizes = { scrollWidth: number; clientWidth: number };

let browser: Browser;
let stack: Stack;
let site: string;
/** The settings of a widget that asks for the name and has no bot. */
let plainKey: string;
let unique = 0;
beforeAll(async () => {
  [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  await agent('POST', '/api/agents/me/seen', {});
  site = await startSite();
  plainKey = (await newWidget('Plain')).key;
}, 240_000);

const agent = (method: string, path: string, body?: unknown) =>
  stack.call(method, `${stack.support}${path}`, { as: 'priya', body });
const admin = (method: string, path: string, body?: unknown) =>
  stack.call(method, `${stack.support}${path}`, { as: 'maya', body });

async function newWidget(name: string, settings: object = {}): Promise<{ id: string; key: string }> {
  const { body } = await admin('POST', '/api/widgets', { name: `${name} ${++unique}` });
  await admin('PATCH', `/api/widgets/${body.id}`, { settings });
  return body;
}

const nextAddress = (): string => `visitor${++unique}@post.example`;

/** Opens a page of a foreign site, with the widget's tag. */
async function host(page: Page, key = plainKey): Promise<Visitor> {
  await page.goto(`${site}/${key}`);
  await page.locator('aether-widget').waitFor({ state: 'attached' });
  return visitorOn(page);
}

/** A site of another origin. Each page has the tag of the widget that its path names. */
async function startSite(): Promise<string> {
  const server = createServer(({ url }, response) => {
    response.setHeader('Content-Type', 'text/html');
    const { pathname, searchParams } = new URL(url ?? '/', 'http://site');
    const language = searchParams.get('language');
    if (pathname === '/still') response.end('<!doctype html>');
    else
      response.end(
        `<!doctype html><html lang="en"><title>Site</title><link rel="icon" href="data:,"><main><h1>Site</h1></main><script async src="${stack.support}/widget.js" data-key="${pathname.slice(1)}"${language ? ` data-language="${language}"` : ''}></script></html>`,
      );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  atEnd(async () => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A visitor in a new browser who has begun to chat. */
async function begin(first: string, key = plainKey) {
  const { page, context, leave } = await takeVisitor(browser, site);
  const visitor = await host(page, key);
  const email = nextAddress();
  await visitor.open();
  await visitor.introduce('Vera Visitor', email);
  await visitor.say(first);
  await visitor.sees('Sent').waitFor();
  const conversation = await conversationOf(stack, email);
  const id = conversation?.session.id as string;
  const reply = async (body: string) => {
    const { status } = await agent('POST', `/api/sessions/${id}/replies`, { client_id: `r${++unique}`, body });
    expect(status).toBe(201);
  };
  return { context, leave, visitor, email, id, reply };
}

describe('a visitor', () => {
  test('gives a name, writes, sees the read mark and the agent, and sees all of it again after a reload', async () => {
    const { leave, visitor, email, id, reply } = await begin('Does the Heron lamp dim?');
    const { panel, page } = visitor;
    await agent('POST', `/api/sessions/${id}/seen`, { number: 1 });
    await visitor.sees('Seen').waitFor();
    await agent('POST', `/api/sessions/${id}/claim`, {});
    await agent('POST', `/api/sessions/${id}/presence`, { is_typing: true });
    await panel.getByText('Priya Nair is typing…').waitFor();
    await reply('It does, down to candle light.');
    await visitor.reads('Does the Heron lamp dim?', 'It does, down to candle light.');
    await panel.getByText('Priya Nair is typing…').waitFor({ state: 'detached' });
    await page.reload();
    await visitor.open();
    await visitor.reads('Does the Heron lamp dim?', 'It does, down to candle light.');
    await visitor.say('Lovely');
    await visitor.reads('Does the Heron lamp dim?', 'It does, down to candle light.', 'Lovely');
    await expect
      .poll(async () => (await conversationOf(stack, email))?.session)
      .toMatchObject({ visitor_name: 'Vera Visitor', identity: 'claimed', visitor_read_number: 3 });
    await leave();
  });

  test('is told if the panel cannot be loaded, and the next press loads it', async () => {
    const { page: own, context, leave } = await takeVisitor(browser, site);
    let isCut = true;
    await context.route(/\/widget\/panel/, (route) => (isCut ? route.abort() : route.continue()));
    const visitor = await host(own);
    await visitor.open();
    await visitor.page.getByRole('alert').getByText('The chat could not be loaded. Press again.').waitFor();
    isCut = false;
    await visitor.open();
    await visitor.panel.getByLabel('Your name').waitFor();
    expect(await visitor.page.getByRole('alert').count()).toBe(0);
    await leave();
  });

  test('sees on the button of the closed panel that there is an answer, until it is read', async () => {
    const { leave, visitor, reply } = await begin('Anybody there?');
    await visitor.page.keyboard.press('Escape');
    await reply('Yes!');
    await visitor.page.getByRole('button', { name: 'Open the chat, 1 unread' }).click();
    await visitor.reads('Anybody there?', 'Yes!');
    await visitor.page.keyboard.press('Escape');
    await visitor.page.getByRole('button', { name: 'Open the chat', exact: true }).waitFor();
    await leave();
  });

  test('starts a new conversation after the end of one, and the old one does not change', async () => {
    const { leave, visitor, email, id, reply } = await begin('One');
    await reply('Done');
    await agent('POST', `/api/sessions/${id}/end`, { resolved: true });
    await visitor.sees('This conversation has ended.').waitFor();
    expect(await visitor.page.evaluate(findMisfits)).toEqual([]);
    await visitor.say('One more thing');
    await visitor.reads('One', 'Done', 'One more thing');
    await visitor.sees('This conversation has ended.').waitFor({ state: 'detached' });
    expect((await conversationOf(stack, email))?.session.id).toBe(id);
    await agent('POST', `/api/sessions/${id}/end`, { resolved: true });
    await visitor.sees('This conversation has ended.').waitFor();
    await visitor.panel.getByRole('button', { name: 'Start a new one' }).click();
    await visitor.say('Two');
    await visitor.reads('Two');
    await visitor.sees('Sent').waitFor();
    const now = await conversationOf(stack, email);
    expect(now?.session.id).not.toBe(id);
    expect(now?.bodies).toEqual(['Two']);
    await leave();
  });

  test('says by keyboard how an ended conversation was, and is asked once; by mouse and "Not now" as well', async () => {
    const { leave, visitor, id, reply } = await begin('Is it quiet?');
    const { page, panel } = visitor;
    const question = panel.getByRole('group', { name: 'How was this conversation?' });
    const ratingOf = async () => (await agent('GET', `/api/sessions/${id}`)).body.session.rating;
    await reply('As a mouse.');
    await agent('POST', `/api/sessions/${id}/end`, { resolved: true });
    await question.getByRole('radio', { name: '3', exact: true }).press('Space');
    await page.keyboard.press('ArrowRight');
    await panel.getByLabel('What could be better? (optional)').fill('Nothing');
    for (const [width, colorScheme] of [
      [1280, 'light'],
      [390, 'dark'],
    ] as const) {
      await page.setViewportSize({ width, height: 860 });
      await page.emulateMedia({ colorScheme });
      await expect.poll(() => page.evaluate(findMisfits)).toEqual([]);
      expect(await findBarriers(page)).toEqual([]);
      if (process.env.AETHER_LOOK) await page.screenshot({ path: `${process.env.AETHER_LOOK}/rating-${width}.png` });
    }
    await page.emulateMedia({ colorScheme: null });
    await page.setViewportSize({ width: 1280, height: 860 });
    await panel.getByLabel('What could be better? (optional)').press('Tab');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await panel.getByText('Thank you for your answer.').waitFor();
    expect(await ratingOf()).toMatchObject({ score: 4, comment: 'Nothing' });
    await page.reload();
    await visitor.open();
    await panel.getByText('Thank you for your answer.').waitFor();
    expect(await question.count()).toBe(0);
    await leave();

    const other = await begin('And this one?');
    await other.reply('This one too.');
    await agent('POST', `/api/sessions/${other.id}/end`, { resolved: true });
    const asked = other.visitor.panel.getByRole('group', { name: 'How was this conversation?' });
    await asked.getByRole('radio', { name: '5, Very good' }).click();
    await asked.getByRole('radio', { name: '5, Very good', checked: true }).waitFor(); // the radio lies over its number
    await other.visitor.panel.getByRole('button', { name: 'Not now' }).click();
    await asked.waitFor({ state: 'detached' });
    await other.visitor.page.reload();
    await other.visitor.open();
    await other.visitor.sees('This conversation has ended.').waitFor();
    expect(await asked.count()).toBe(0);
    await other.leave();
  });

  test('leaves a question if no agent is there', async () => {
    const { key } = await newWidget('Empty', { texts: { offline: 'We are out planting trees.' } });
    await admin('PUT', `/api/widgets/${await idOf(key)}/team`, { agent_ids: [await absentAgent()] });
    const { page: own, leave } = await takeVisitor(browser, site);
    const visitor = await host(own, key);
    const email = nextAddress();
    await visitor.open();
    await visitor.panel.getByText('We are out planting trees.').waitFor();
    await visitor.panel.getByRole('button', { name: 'Leave your question' }).click();
    expect(await conversationOf(stack, email, { as: 'tom' })).toBeUndefined(); // the form is still empty
    await visitor.panel.getByLabel('Your name').fill('Otto Offline');
    await visitor.panel.getByLabel('Your e-mail address').fill(email);
    await visitor.panel.getByLabel('Your question').fill('When are you back?');
    await visitor.panel.getByRole('button', { name: 'Leave your question' }).click();
    await visitor.sees('Sent').waitFor();
    expect(await conversationOf(stack, email, { as: 'tom' })).toMatchObject({
      session: { is_offline: true },
      bodies: ['When are you back?'],
    });
    await leave();
  });

  async function idOf(key: string): Promise<string> {
    const { widgets } = (await admin('GET', '/api/widgets')).body;
    return widgets.find((widget: { key: string }) => widget.key === key).id;
  }
  async function absentAgent(): Promise<string> {
    const { agents } = (await admin('GET', '/api/agents')).body;
    const tom = agents.find(({ name }: { name: string }) => name === 'Tom Berglund');
    await admin('PATCH', `/api/agents/${tom.id}`, { availability: 'offline' });
    return tom.id;
  }
});

test('the widget speaks the language of the visitor’s browser, or the one that the page says, and the agent is told what they read', async () => {
  const { key } = await newWidget('Polyglot', {
    ...{ language: 'en', languages: ['de', 'fr'], choice: 'browser', ask: 'before' },
    translations: { de: { greeting: 'Moin! Welche Lampe suchen Sie?' } },
  });
  const context = await visitorBrowser(browser, { locale: 'de-AT' });
  const page = await context.newPage();
  const bare = await context.newPage();
  await bare.addInitScript(`Object.defineProperty(navigator, 'languages', { value: undefined })`);
  await bare.goto(`${site}/${key}`);
  await bare.getByRole('button', { name: 'Open the chat' }).waitFor();
  await page.goto(`${site}/${key}?language=nb`);
  await page.getByRole('button', { name: 'Chat öffnen' }).click();
  const panel = page.getByRole('dialog', { name: 'Chatten Sie mit uns' });
  await panel.getByText('Moin! Welche Lampe suchen Sie?').waitFor();
  await page.goto(`${site}/${key}?language=fr-CA`);
  await page.getByRole('button', { name: 'Ouvrir le chat' }).click();
  await page.getByRole('dialog').getByText('Bonjour').first().waitFor();
  const email = nextAddress();
  await page.getByRole('dialog').getByRole('textbox').nth(0).fill('Vera');
  await page.getByRole('dialog').getByRole('textbox').nth(1).fill(email);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByRole('textbox').last().fill('Bonsoir');
  await page.keyboard.press('Enter');
  await expect
    .poll(async () => (await conversationOf(stack, email))?.session, { timeout: 25_000 })
    .toMatchObject({ language: 'fr-CA', widget_language: 'fr' });
  await context.close();
});

describe('no message is lost or doubled', () => {
  const theirs = (page: Page) => intercept(page, /\/messages$/, (route) => route.abort());

  test('if the tab dies before it is sent: the next page sends it', async () => {
    const { context, leave, visitor, email } = await begin('Before');
    await theirs(visitor.page);
    await visitor.say('Written as the tab died');
    await visitor.sees('Not sent yet; trying again').waitFor();
    await visitor.page.close();
    const next = await host(await context.newPage());
    await expect
      .poll(async () => (await conversationOf(stack, email))?.bodies)
      .toEqual(['Before', 'Written as the tab died']);
    await next.open();
    await next.reads('Before', 'Written as the tab died');
    await leave();
  });

  test('if the tab dies with a half-written line: the line is there after a reload', async () => {
    const { leave, visitor } = await begin('Before');
    const line = visitor.panel.getByRole('textbox', { name: 'Write a message' });
    await line.fill('Half a sen');
    await visitor.page.reload();
    await visitor.open();
    expect(await line.inputValue()).toBe('Half a sen');
    await line.press('Enter');
    await visitor.reads('Before', 'Half a sen');
    expect(await line.inputValue()).toBe('');
    await leave();
  });

  test('if the answer is lost, and the message is sent again', async () => {
    const { leave, visitor, email } = await begin('Before');
    let lost = 0;
    await intercept(visitor.page, /\/messages$/, async (route) => {
      if (lost++ > 2) return route.continue();
      await route.fetch();
      await route.abort();
    });
    for (const text of ['One', 'Two', 'Three']) await visitor.say(text);
    await visitor.reads('Before', 'One', 'Two', 'Three');
    await visitor.sees('Sent').waitFor();
    expect((await conversationOf(stack, email))?.bodies).toEqual(['Before', 'One', 'Two', 'Three']);
    await leave();
  });

  test('if the network is gone for a minute, on either side', async () => {
    const context = await visitorBrowser(browser);
    await context.clock.install();
    const visitor = await host(await context.newPage());
    const email = nextAddress();
    await visitor.open();
    await visitor.introduce('Vera Visitor', email);
    await visitor.say('Before');
    await visitor.sees('Sent').waitFor();
    const id = (await conversationOf(stack, email))?.session.id;
    await context.setOffline(true);
    await visitor.say('In the tunnel');
    await visitor.sees('Not sent yet; trying again').waitFor();
    await visitor.sees('No connection. Your messages are kept and sent when it is back.').waitFor();
    await agent('POST', `/api/sessions/${id}/replies`, { client_id: `r${++unique}`, body: 'Are you still there?' });
    await visitor.say('Still in it');
    await context.clock.fastForward(60_000);
    expect((await conversationOf(stack, email))?.bodies).toEqual(['Before', 'Are you still there?']);
    await context.setOffline(false);
    await context.clock.fastForward(20_000);
    const expected = ['Before', 'Are you still there?', 'In the tunnel', 'Still in it'];
    await visitor.reads(...expected);
    await expect.poll(async () => (await conversationOf(stack, email))?.bodies).toEqual(expected);
    await visitor
      .sees('No connection. Your messages are kept and sent when it is back.')
      .waitFor({ state: 'detached' });
    await context.close();
  });

  test('if the agent ends the conversation while the line is cut: the message says so, and goes into the next conversation', async () => {
    const { id: widget, key } = await newWidget('Ends for good');
    await admin('PATCH', `/api/widgets/${widget}`, { reopens_days: 0 });
    const { context, leave, visitor, email, id } = await begin('Before', key);
    await context.setOffline(true);
    await visitor.say('Written in the tunnel');
    await visitor.say('And this');
    await visitor.sees('Not sent yet; trying again').first().waitFor();
    await agent('POST', `/api/sessions/${id}/end`, { resolved: true });
    await context.setOffline(false);
    await visitor.sees('Not sent: this conversation has ended.').nth(1).waitFor();
    expect(await visitor.page.evaluate(findMisfits)).toEqual([]);
    await visitor.page.keyboard.press('Enter');
    await visitor.reads('Written in the tunnel', 'And this');
    await visitor.sees('Sent').waitFor();
    const now = await conversationOf(stack, email);
    expect(now?.session.id).not.toBe(id);
    expect(now?.bodies).toEqual(['Written in the tunnel', 'And this']);
    await leave();
  });

  test('if two tabs are open and both write: both show the same, in the order of the server', async () => {
    const { context, leave, visitor: one, email, reply } = await begin('Before');
    const two = await host(await context.newPage());
    await two.open();
    await two.reads('Before');
    const texts = Array.from({ length: 5 }, (_, n) => n);
    await Promise.all([
      (async () => {
        for (const n of texts) await one.say(`one ${n}`);
      })(),
      (async () => {
        for (const n of texts) await two.say(`two ${n}`);
      })(),
      reply('In between'),
    ]);
    await expect.poll(async () => (await conversationOf(stack, email))?.bodies.length).toBe(12);
    const bodies = (await conversationOf(stack, email))?.bodies as string[];
    expect([...bodies].sort()).toEqual(
      ['Before', 'In between', ...texts.map((n) => `one ${n}`), ...texts.map((n) => `two ${n}`)].sort(),
    );
    for (const name of ['one', 'two'])
      expect(bodies.filter((body) => body.startsWith(name))).toEqual(texts.map((n) => `${name} ${n}`));
    await one.reads(...bodies);
    await two.reads(...bodies);
    await leave();
  });

  test('if all servers are stopped and started again', async () => {
    const { leave, visitor, email, id, reply } = await begin('Before');
    await reply('Answer');
    await visitor.reads('Before', 'Answer');
    await stack.restart(async () => {
      await visitor.say('While you were gone');
      await visitor.say('And one more');
      await visitor.sees('Not sent yet; trying again').first().waitFor();
    });
    const expected = ['Before', 'Answer', 'While you were gone', 'And one more'];
    await visitor.reads(...expected);
    await visitor.sees('Sent').waitFor();
    expect((await conversationOf(stack, email))?.bodies).toEqual(expected);
    await agent('POST', `/api/sessions/${id}/replies`, { client_id: `r${++unique}`, body: 'Back' });
    await visitor.reads(...expected, 'Back');
    await leave();
  }, 60_000);
});

describe('by the keyboard alone', () => {
  test('the chat is opened, written in and left, and the focus goes back', async () => {
    const { page: own, leave } = await takeVisitor(browser, site);
    const { page, panel, reads } = await host(own);
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await panel.getByLabel('Your name').waitFor();
    await page.keyboard.type('Karl Keys');
    await page.keyboard.press('Tab');
    await page.keyboard.type(nextAddress());
    await page.keyboard.press('Enter');
    await panel.getByRole('textbox', { name: 'Write a message' }).waitFor();
    await page.keyboard.type('Hello');
    await page.keyboard.press('Enter');
    await reads('Hello');
    await page.keyboard.press('Shift+Enter');
    expect(await panel.getByRole('textbox', { name: 'Write a message' }).inputValue()).toBe('\n');
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'hidden' });
    await page.keyboard.press('Enter');
    await panel.waitFor();
    await leave();
  });

  test('on a busy device the chat has the focus as it opens, and does not take it from the field that a visitor has gone to', async () => {
    const { page: own, leave } = await takeVisitor(browser, site);
    const { page, panel, open } = await host(own);
    // What waits for a frame or for a time comes late.
    await page.evaluate(`
      const { setTimeout: wait, requestAnimationFrame: frame } = window;
      window.setTimeout = (work, ms = 0, ...given) => wait(work, ms + 250, ...given);
      window.requestAnimationFrame = (work) => frame(() => wait(work, 250))`);
    const focused = () => page.evaluate(`document.querySelector('aether-widget').shadowRoot.activeElement?.name`);
    await open();
    await panel.getByLabel('Your name').waitFor();
    expect(await focused()).toBe('name');
    await panel.getByLabel('Your e-mail address').focus();
    await page.evaluate('new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))');
    expect(await focused()).toBe('email');
    await leave();
  });

  test('no keyboard covers a touch screen unasked: the chat itself has the focus, and Escape still closes it', async () => {
    const context = await visitorBrowser(browser, { viewport: { width: 360, height: 640 }, hasTouch: true });
    const { page, panel, open, introduce } = await host(await context.newPage());
    const isField = () =>
      page.evaluate(
        `/^(TEXTAREA|INPUT)$/.test(document.querySelector('aether-widget').shadowRoot.activeElement?.tagName)`,
      );
    await open();
    await panel.getByLabel('Your name').waitFor();
    expect(await isField()).toBe(false);
    await introduce('Tim Touch', nextAddress());
    await panel.getByRole('textbox', { name: 'Write a message' }).waitFor();
    expect(await isField()).toBe(false);
    await page.keyboard.press('Escape');
    await panel.waitFor({ state: 'hidden' });
    await context.close();
  });

  test('Enter that ends the composition of a word sends nothing; the next one does', async () => {
    const { context, leave, visitor } = await begin('Before');
    const { page, panel, reads } = visitor;
    const line = panel.getByRole('textbox', { name: 'Write a message' });
    await line.focus();
    const devtools = await context.newCDPSession(page);
    await devtools.send('Input.imeSetComposition', { text: 'にほ', selectionStart: 2, selectionEnd: 2 });
    await page.keyboard.press('Enter');
    expect(await line.inputValue()).toContain('にほ');
    await devtools.send('Input.insertText', { text: '日本' });
    await reads('Before');
    await page.keyboard.press('Enter');
    await reads('Before', '日本');
    await leave();
  });
});

describe('the demo shop', () => {
  let own: OwnPage;
  let page: Page;
  let visitor: Visitor;
  const said: string[] = [];
  beforeAll(async () => {
    own = await takeVisitor(browser, stack.shop);
    page = own.page;
    page.on('console', (message) => {
      if (message.type() === 'error') said.push(message.text());
    });
    page.on('pageerror', (error) => said.push(error.message));
    await page.goto(stack.shop);
    visitor = visitorOn(page);
  });

  test('has a chat with a bot that says that it is a bot, and one click leads to a person', async () => {
    await visitor.open();
    await visitor.introduce('Bea', nextAddress());
    await visitor.panel.getByRole('button', { name: 'Talk to a person' }).waitFor();
    await visitor.panel.locator('.choice').first().click();
    await visitor.panel.getByText('Bot', { exact: true }).first().waitFor();
    await visitor.panel.getByRole('button', { name: 'Talk to a person' }).click();
    await visitor.panel.getByRole('button', { name: 'Talk to a person' }).waitFor({ state: 'detached' });
    await page.keyboard.type('Anybody?');
    await expect
      .poll(() => visitor.panel.getByRole('textbox', { name: 'Write a message' }).inputValue())
      .toBe('Anybody?');
    await page.keyboard.press('Escape');
    await visitor.panel.waitFor({ state: 'hidden' });
    await visitor.open();
  });

  test('has one conversation even if a visitor asks for a person and writes at the same moment', async () => {
    const other = await takeVisitor(browser, stack.shop);
    const eager = visitorOn(other.page);
    const email = nextAddress();
    await eager.page.goto(stack.shop);
    await eager.open();
    await eager.introduce('Ella Eager', email);
    await eager.panel.getByRole('button', { name: 'Talk to a person' }).click();
    await eager.say('Now, please');
    await eager.sees('Sent').waitFor();
    await expect.poll(async () => (await conversationOf(stack, email))?.bodies).toContain('Now, please');
    expect(await conversationOf(stack, email, { view: 'bot' })).toBeUndefined();
    await other.leave();
  });

  test('does not break the widget with its style sheet, and its policy lets the widget work', async () => {
    const look = (selector: string) =>
      page.evaluate<Record<string, string>>(`(() => {
        const element = document.querySelector('aether-widget').shadowRoot.querySelector('${selector}');
        const { fontFamily, transform, textTransform, position } = getComputedStyle(element);
        return { fontFamily, transform, textTransform, position };
      })()`);
    const ofShop = await page.evaluate<string>(`getComputedStyle(document.querySelector('div')).fontFamily`);
    expect(ofShop).toContain('fantasy');
    expect(await look('textarea')).toMatchObject({ transform: 'none', textTransform: 'none' });
    expect((await look('textarea')).fontFamily).not.toContain('fantasy');
    expect(await look('.root')).toMatchObject({ transform: 'none', position: 'fixed' });
    expect(said).toEqual([]);
  });

  test('has the same global names in its page with and without the widget', async () => {
    const names = () => page.evaluate('Object.getOwnPropertyNames(globalThis).sort()');
    const withWidget = await names();
    const bare = await browser.newContext();
    const other = await bare.newPage();
    await other.route('**/widget.js', (route) => route.abort());
    await other.goto(stack.shop);
    expect(withWidget).toEqual(await other.evaluate('Object.getOwnPropertyNames(globalThis).sort()'));
    await bare.close();
  });

  test('signs the identity of its customers, who are verified and need not fill in a form', async () => {
    await own.leave();
    own = await takeVisitor(browser, stack.shop);
    page = own.page;
    await page.goto(`${stack.shop}/?signed-in`);
    visitor = visitorOn(page);
    await visitor.open();
    await visitor.say('Is my order on its way?');
    await visitor.sees('Sent').waitFor();
    await visitor.panel.getByText('Signed in as Nora Lindqvist').waitFor();
    const text = await page.evaluate<string>('JSON.stringify(localStorage)');
    expect(text).not.toContain('nora@'); // the shop named the customer, not the visitor
    const conversation = await conversationOf(stack, 'nora@fjordlight.example', { view: 'bot' });
    expect(conversation?.session).toMatchObject({
      identity: 'verified',
      customer: { name: expect.stringContaining('Nora') },
    });
    // She signs out: the shop's pages without her identity do not show her conversation, and those with it do.
    await page.goto(stack.shop);
    await page.locator('aether-widget').waitFor({ state: 'attached' });
    await visitor.open();
    await visitor.panel.getByLabel('Your name').waitFor();
    expect(await visitor.said()).not.toContain('Is my order on its way?');
    await page.goto(`${stack.shop}/?signed-in`);
    await visitor.open();
    await visitor.panel.getByText('Is my order on its way?').waitFor();
    // Somebody else signs in at the same browser: Nora's conversation is not theirs.
    await page.evaluate(
      `document.dispatchEvent(new CustomEvent('aether:identify', { detail: 'h.' + btoa('{"sub":"2","email":"eve@example.com"}') + '.s' }))`,
    );
    await expect.poll(() => visitor.said()).not.toContain('Is my order on its way?');
    await own.leave();
  });
});

test('the widget has no barrier in light and in dark, and fits on wide and narrow screens', async () => {
  const [wide, narrow] = [
    { width: 1280, height: 860 },
    { width: 375, height: 740 },
  ];
  const { page, leave } = await takeVisitor(browser, stack.shop);
  await page.setViewportSize(wide);
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await page.goto(stack.shop);
  const visitor = visitorOn(page);
  const look = async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(() => findBarriers(page, 'colours')).toEqual([]);
    await page.emulateMedia({ colorScheme: 'light' });
    await expect.poll(() => findBarriers(page)).toEqual([]);
    await page.setViewportSize(narrow);
    expect(await findBarriers(page)).toEqual([]);
    await page.setViewportSize(wide);
  };
  await visitor.open();
  await visitor.panel.getByLabel('Your name').waitFor();
  await look();
  await visitor.introduce('Ada Axe', nextAddress());
  await visitor.panel.locator('.choice').first().click();
  await visitor.say(
    'See https://shop.example/heron, please: averyveryverylongwordthatmustnotmakethepanelscroll'.repeat(3),
  );
  await visitor.sees('Sent').waitFor();
  await visitor.panel.getByText('Bot', { exact: true }).first().waitFor();
  await look();
  const isScrolling = () => visitor.panel.evaluate((panel: Sizes) => panel.scrollWidth > panel.clientWidth);
  expect(await isScrolling()).toBe(false);
  expect(await visitor.panel.boundingBox()).toMatchObject({ width: 384, height: 640 });
  await page.setViewportSize(narrow);
  expect(await isScrolling()).toBe(false);
  expect(await visitor.panel.boundingBox()).toEqual({ x: 0, y: 0, ...narrow });
  await leave();
});
