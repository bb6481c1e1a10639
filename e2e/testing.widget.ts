import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { type OwnPage, takePage } from './testing.browser.ts';
import type { Stack } from './testing.stack.ts';

/**
 * The browser of a person who visits a shop. The widget's shadow root is closed to its page; here it is open, so that
 * tests can look into it.
 */
export async function visitorBrowser(browser: Browser, options: BrowserContextOptions = {}): Promise<BrowserContext> {
  const context = await browser.newContext({ viewport: size, locale: 'en-GB', ...options });
  context.setDefaultTimeout(25_000);
  await context.addInitScript(`
    const attach = Element.prototype.attachShadow;
    Element.prototype.attachShadow = function (init) {
      return attach.call(this, { ...init, mode: 'open' });
    };
  `);
  return context;
}

const size = { width: 1280, height: 860 };

/**
 * A page of such a browser, which the test gives back by `leave`.
 *
 * @param site the site that it visits; all of its pages are there.
 */
export async function takeVisitor(browser: Browser, site: string): Promise<OwnPage> {
  const own = await takePage({ kind: 'visitor', still: `${site}/still`, make: () => visitorBrowser(browser) });
  await own.page.setViewportSize(size);
  return own;
}

export type Visitor = {
  page: Page;
  panel: Locator;
  /** These words where they are seen: the panel's live region says the same to those who do not see them. */
  sees(text: string): Locator;
  /** The messages of the conversation, in order. */
  said(): Promise<string[]>;
  open(): Promise<void>;
  introduce(name: string, email: string): Promise<void>;
  say(text: string): Promise<void>;
  /** Waits until these are the messages of the conversation. */
  reads(...texts: string[]): Promise<void>;
};

/** The actions of a visitor in the widget of a page. */
export function visitorOn(page: Page): Visitor {
  const panel = page.getByRole('dialog');
  const bubbles = panel.locator('.thread .bubble');
  const line = panel.getByRole('textbox', { name: 'Write a message' });
  return {
    page,
    panel,
    sees: (text) => panel.getByText(text, { exact: true }).and(page.locator(':not([role=status])')),
    said: () => bubbles.allInnerTexts(),
    open: () => page.getByRole('button', { name: /^Open the chat/ }).click(),
    async introduce(name, email) {
      await panel.getByLabel('Your name').fill(name);
      await panel.getByLabel('Your e-mail address').fill(email);
      await panel.getByRole('button', { name: 'Start the chat' }).click();
    },
    async say(text) {
      await line.fill(text);
      await line.press('Enter');
    },
    async reads(...texts) {
      // The page checks this itself, so that all messages are read at one moment.
      const isSo = `JSON.stringify([...document.querySelector('aether-widget').shadowRoot.querySelectorAll('.thread .bubble')].map((bubble) => bubble.textContent)) === ${JSON.stringify(JSON.stringify(texts))}`;
      await page.waitForFunction(isSo, undefined, { timeout: 25_000 }).catch(async ({ message }) => {
        throw new Error(`${message}: the conversation has ${JSON.stringify(await bubbles.allInnerTexts())}`);
      });
    },
  };
}

type Started = { started_at: string };

/** The newest open conversation of an address, as an agent sees it. */
export async function conversationOf(
  stack: Stack,
  email: string,
  { view = 'all', as = 'priya' }: { view?: 'all' | 'bot'; as?: 'priya' | 'tom' } = {},
) {
  const api = (path: string) => stack.call('GET', `${stack.support}${path}`, { as });
  const { sessions } = (await api(`/api/inbox?view=${view}&search=${encodeURIComponent(email)}`)).body;
  const [newest] = sessions.sort((a: Started, b: Started) => b.started_at.localeCompare(a.started_at));
  if (!newest) return undefined;
  const { session, messages } = (await api(`/api/sessions/${newest.id}?limit=200`)).body;
  return { session, messages, bodies: messages.map(({ body }: { body: string }) => body) as string[] };
}
