import { aether, keepRunning, readEnv, startedHome, tokenOf, webIsBuilt } from '@aether/cli/testing';
import { type Login, withMigrator } from '@aether/database';
import { atFailure } from '@aether/database/testing';
import type { Browser, BrowserContext, Page, Response } from 'playwright-core';
import { type OwnPage, takePage } from './testing.browser.ts';

export type Stack = {
  foundation: string;
  support: string;
  console: string;
  /** The demo shop, with the chat widget. */
  shop: string;
  /** The page of the mails that the apps send. */
  mails: string;
  widgetKey: string;
  /** Calls a server as a persona: `call('POST', `${stack.foundation}/api/deals`, { as: 'maya', body })`. */
  call(method: string, url: string, options?: { as?: string; bearer?: string; body?: unknown }): Promise<Answer>;
  /** The address of the database for a login. */
  databaseUrl(login: Login): string;
  /** Runs SQL as the database's owner, for changes that would otherwise take hours. */
  asOwner(sql: string): Promise<void>;
  /** What it has printed since it was started last. */
  output(): string;
  /** Stops everything, for good. */
  stop(): Promise<void>;
  /** Stops everything, runs `meanwhile`, and starts everything again; the servers are at the same addresses. */
  restart(meanwhile?: () => Promise<void>): Promise<void>;
};
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the body.
type Answer = { status: number; body: any };

/** All visitors of a test run have one address, and write more than one visitor may. */
const settings = { SUPPORT_RATE_FACTOR: '20' };

let shared: Promise<Stack> | undefined;

/** Stops the stack if there is one: an idle one looks after its data all the time. */
export async function endStack(): Promise<void> {
  const ending = shared;
  shared = undefined;
  await (await ending)?.stop();
}

/**
 * Everything that `npm start` starts, with the demo data. The test files that run in one worker share it, one after
 * another, because a start takes as long as several tests: a test makes the records that it changes.
 */
export async function startStack(): Promise<Stack> {
  shared ??= start();
  const stack = await shared;
  atFailure(async () => stack.output().split('\n').slice(-20).join('\n  '));
  return stack;
}

async function start(): Promise<Stack> {
  const home = await startedHome({ isShared: true });
  let command = aether(home, ['start'], settings);
  await keepRunning(command);
  const stop = async () => {
    command.child.kill('SIGTERM');
    await command.ends();
  };
  const isReady = async () => {
    await command.prints(/Ctrl-C stops everything/);
    await command.prints(webIsBuilt);
  };
  await isReady();
  const {
    FOUNDATION_URL = '',
    SUPPORT_URL = '',
    CONSOLE_URL = '',
    DEMO_SHOP_URL = '',
    MAIL_CATCHER_URL = '',
    SUPPORT_WIDGET_KEY = '',
  } = readEnv(home);
  // Read each time, because PostgreSQL may be at another port after a restart.
  const databaseUrl = (login: Login) => readEnv(home)[`${login.toUpperCase()}_URL`] ?? '';
  const tokens = new Map<string, Promise<string>>();
  const tokenFor = (persona: string, url: string) => {
    const app = url.startsWith(SUPPORT_URL) ? 'support' : url.startsWith(CONSOLE_URL) ? 'console' : 'foundation';
    const known = tokens.get(`${persona} ${app}`) ?? tokenOf(home, persona, app);
    tokens.set(`${persona} ${app}`, known);
    return known;
  };
  return {
    foundation: FOUNDATION_URL,
    support: SUPPORT_URL,
    console: CONSOLE_URL,
    shop: DEMO_SHOP_URL,
    mails: MAIL_CATCHER_URL,
    widgetKey: SUPPORT_WIDGET_KEY,
    async call(method, url, { as, bearer, body } = {}) {
      const token = bearer ?? (as && (await tokenFor(as, url)));
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
    databaseUrl,
    async asOwner(sql) {
      await withMigrator(databaseUrl('platform_migrator'), (owner) => owner.query(sql));
    },
    output: () => command.output(),
    stop,
    async restart(meanwhile) {
      await stop();
      tokens.clear();
      await meanwhile?.();
      const [FOUNDATION_PORT = '', SUPPORT_PORT = '', CONSOLE_PORT = '', DEMO_SHOP_PORT = '', MAIL_CATCHER_PORT = ''] =
        [FOUNDATION_URL, SUPPORT_URL, CONSOLE_URL, DEMO_SHOP_URL, MAIL_CATCHER_URL].map((url) => new URL(url).port);
      command = aether(home, ['start'], {
        ...settings,
        FOUNDATION_PORT,
        SUPPORT_PORT,
        CONSOLE_PORT,
        DEMO_SHOP_PORT,
        MAIL_CATCHER_PORT,
      });
      await keepRunning(command);
      await isReady();
    },
  };
}

export type Persona = 'Maya Okafor' | 'Jonas Weber' | 'Priya Nair' | 'Tom Berglund';

/** Settles when the router has the screen of the present address on the page. The data of that screen may still be on its way. */
const untilShown = `new Promise((resolve) => {
  const look = () => {
    const { state, latestLocation } = __TSR_ROUTER__;
    const isShown = state.status === 'idle' && state.resolvedLocation?.href === latestLocation.href;
    if (isShown) resolve(true);
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})`;

/**
 * Leads to an address of the app that a page already shows, as a link would. Loading the app again takes four times as
 * long, and most of that is the processor's time. The former screen is gone when this returns.
 */
export async function follow(page: Page, url: string): Promise<void> {
  if (!page.url().startsWith(new URL(url).origin)) return void (await page.goto(url));
  await page.evaluate(
    `history.pushState({}, '', ${JSON.stringify(url)}); dispatchEvent(new PopStateEvent('popstate'))`,
  );
  await page.evaluate(untilShown);
}

/** Lets a page believe that its person saves data: then it loads nothing ahead. */
const savesData = `Object.defineProperty(navigator, 'connection', { value: { saveData: true } })`;

type SignInOptions = {
  viewport?: { width: number; height: number };
  /** Whether what opens and closes moves. Without that the same is there sooner, and costs a fifth less: foundation.test.ts goes with it. */
  hasMotion?: boolean;
  /** Loads the app's other parts before they are needed, as a person's browser does. Most tests need no part but their own. */
  loadsAhead?: boolean;
  /** Whether the person chooses the persona by a click. It takes three pages, and so as long as a test. */
  byClick?: boolean;
  /** The path that the person asks for. */
  at?: string;
  /** Is told of every response from the first page on. The page is new, so that it has no script from a page before. */
  onResponse?: (response: Response) => void;
};

/**
 * Opens a page of an app as a person who is signed in. An error that the page logs fails the test. The end of the test file gives the
 * page back if the test does not `leave` it before.
 */
export async function signIn(
  browser: Browser,
  url: string,
  persona: Persona,
  { viewport = { width: 1440, height: 900 }, hasMotion, loadsAhead, byClick, at = '', onResponse }: SignInOptions = {},
): Promise<OwnPage & { errors: string[] }> {
  const own = await takePage({
    kind: `${url} ${loadsAhead ? 'ahead' : ''}`,
    still: `${url}/healthz`,
    isNew: onResponse !== undefined,
    async make() {
      const context = await browser.newContext({ viewport, locale: 'en-GB' });
      if (!loadsAhead) await context.addInitScript(savesData);
      return context;
    },
  });
  const { page, context } = own;
  page.setDefaultTimeout(25_000);
  await page.setViewportSize(viewport);
  if (!hasMotion) await page.emulateMedia({ reducedMotion: 'reduce' });
  if (onResponse) page.on('response', onResponse);
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (/content security policy/i.test(message.text())) errors.push(message.text());
  });
  if (!byClick) await choose(context, url, persona);
  await page.goto(`${url}${at}`);
  if (byClick) await page.locator('form').getByRole('button', { name: persona }).click();
  await page.getByText('Live', { exact: true }).first().waitFor();
  return { ...own, errors };
}

/** What a click on the persona's button does, without the pages on the way. The cookies are the context's. */
export async function choose(context: BrowserContext, url: string, persona: Persona): Promise<void> {
  const choice = await context.request.get(`${url}/signin`, { headers: { Accept: 'text/html' } });
  const form = (await choice.text()).split('<form').find((each) => each.includes(persona));
  const [, action] = /action="([^"]+)"/.exec(form ?? '') ?? [];
  if (!action) throw new Error(`There is no button for ${persona} at ${choice.url()}.`);
  await context.request.post(new URL(action, choice.url()).href);
}
