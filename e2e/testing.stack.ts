import { aether, readEnv, startedHome, webIsBuilt } from '@aether/cli/testing';
import { withMigrator } from '@aether/database';
import { atEnd } from '@aether/database/testing';
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';

export type Stack = {
  foundation: string;
  support: string;
  /** The demo shop, with the chat widget. */
  shop: string;
  widgetKey: string;
  /** Calls a server as a persona: `call('POST', `${stack.foundation}/api/deals`, { as: 'maya', body })`. */
  call(method: string, url: string, options?: { as?: string; bearer?: string; body?: unknown }): Promise<Answer>;
  /** Runs SQL as the database's owner, for changes that would otherwise take hours. */
  asOwner(sql: string): Promise<void>;
  /** Stops everything, runs `meanwhile`, and starts everything again at the same addresses. */
  restart(meanwhile?: () => Promise<void>): Promise<void>;
};
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the body.
type Answer = { status: number; body: any };

/** Everything that `npm start` starts, with the demo data, until the test file is done. */
export async function startStack(): Promise<Stack> {
  const home = await startedHome();
  let command = aether(home, ['start']);
  const stop = async () => {
    command.child.kill('SIGTERM');
    await command.ends();
  };
  atEnd(stop);
  const isReady = async () => {
    await command.prints(/Ctrl-C stops everything/);
    await command.prints(webIsBuilt);
  };
  await isReady();
  const {
    FOUNDATION_URL = '',
    SUPPORT_URL = '',
    DEMO_SHOP_URL = '',
    SUPPORT_WIDGET_KEY = '',
    PLATFORM_MIGRATOR_URL = '',
  } = readEnv(home);
  const tokens = new Map<string, Promise<string>>();
  const tokenOf = (persona: string, url: string) => {
    const app = url.startsWith(SUPPORT_URL) ? 'support' : 'foundation';
    const known = tokens.get(`${persona} ${app}`) ?? readToken(home, persona, app);
    tokens.set(`${persona} ${app}`, known);
    return known;
  };
  return {
    foundation: FOUNDATION_URL,
    support: SUPPORT_URL,
    shop: DEMO_SHOP_URL,
    widgetKey: SUPPORT_WIDGET_KEY,
    async call(method, url, { as, bearer, body } = {}) {
      const token = bearer ?? (as && (await tokenOf(as, url)));
      const response = await fetch(url, {
        method,
        headers: {
          ...(token && { Authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'Content-Type': 'application/json' }),
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, body: text ? JSON.parse(text) : undefined };
    },
    async asOwner(sql) {
      await withMigrator(PLATFORM_MIGRATOR_URL, (owner) => owner.query(sql));
    },
    async restart(meanwhile) {
      await stop();
      tokens.clear();
      await meanwhile?.();
      const [FOUNDATION_PORT = '', SUPPORT_PORT = '', DEMO_SHOP_PORT = ''] = [
        FOUNDATION_URL,
        SUPPORT_URL,
        DEMO_SHOP_URL,
      ].map((url) => new URL(url).port);
      command = aether(home, ['start'], { FOUNDATION_PORT, SUPPORT_PORT, DEMO_SHOP_PORT });
      await isReady();
    },
  };
}

async function readToken(home: string, persona: string, app: string): Promise<string> {
  const command = aether(home, ['token', '--as', persona, '--app', app]);
  if ((await command.ends()) !== 0) throw new Error(command.output());
  return command.output().trim().split('\n').at(-1) as string;
}

export type Persona = 'Maya Okafor' | 'Jonas Weber' | 'Priya Nair' | 'Tom Berglund';

/** Opens a page as a person who has just signed in, by clicks. An error that the page logs fails the test. */
export async function signIn(
  browser: Browser,
  url: string,
  persona: Persona,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; context: BrowserContext; errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  await page.getByRole('button', { name: persona }).click();
  await page.getByText('Live', { exact: true }).first().waitFor();
  return { page, context, errors };
}
