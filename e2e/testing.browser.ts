import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { atEnd, atFailure } from '@aether/database/testing';
import { type Browser, type BrowserContext, chromium, type Page, type Request } from 'playwright-core';
import packageJson from './package.json' with { type: 'json' };

let shared: Promise<Browser> | undefined;

/** A page that a test has to itself, in a context of its own. */
export type OwnPage = {
  page: Page;
  context: BrowserContext;
  /** Gives it back, for the next test of its kind. A test file that forgets it gives it back at its end. */
  leave(): Promise<void>;
};

type Kind = {
  /** Contexts of one kind were made with the same options and scripts. */
  kind: string;
  make(): Promise<BrowserContext>;
  /** A page without scripts at the only origin whose pages store something while the test has the page. */
  still: string;
  /** Whether the page must have loaded nothing before. */
  isNew?: boolean;
};

const taken = new Set<OwnPage>();
const free = new Map<string, OwnPage[]>();
/** Of each page that is taken: where its storage is. */
const stills = new WeakMap<OwnPage, string>();

/**
 * A browser: on Linux the one that npm installed, on other systems the installed Chrome. The test files that run in one
 * worker share it, and the pages that the file before has left.
 */
export async function openBrowser(): Promise<Browser> {
  shared ??= launch();
  const browser = await shared;
  atFailure(async () =>
    (
      await Promise.all(
        browser
          .contexts()
          .flatMap((context) => context.pages())
          .map(read),
      )
    ).join(''),
  );
  atEnd(async () => {
    await Promise.all([...taken].map((own) => own.leave()));
    const left = new Set([...free.values()].flat().map(({ context }) => context));
    await Promise.all(browser.contexts().map((context) => left.has(context) || context.close()));
  });
  return browser;
}

/** What each page has asked for and not been answered, and since when. */
const open = new WeakMap<Page, Map<Request, number>>();

function watch(page: Page): void {
  const asked = new Map<Request, number>();
  open.set(page, asked);
  page.on('request', (request) => void asked.set(request, Date.now()));
  page.on('requestfinished', (request) => void asked.delete(request));
  page.on('requestfailed', (request) => void asked.delete(request));
}

/** The address of a page, its words as a person reads them, and what it waits for. */
async function read(page: Page): Promise<string> {
  if (page.url() === 'about:blank') return '';
  const words = await page.evaluate<string>(`{
    const widget = document.querySelector('aether-widget')?.shadowRoot?.textContent ?? '';
    (document.body.innerText + widget).replaceAll(/\\s*\\n\\s*/g, ' | ').slice(0, 1500);
  }`);
  const waits = [...(open.get(page) ?? [])].map(
    ([request, since]) => `\n  waits for ${Date.now() - since} ms: ${request.method()} ${request.url()}`,
  );
  return `${page.url()}\n  ${words}${waits.join('')}\n`;
}

/**
 * Like `page.route`, for a page that is shown already: returns when its requests really go that way. A page learns of it some time after the browser
 * has said that it is so, and a busy one long after; a request that it makes until then is not held, and no event tells of its answer
 * (findings/playwright-routes-late.sh).
 */
export async function intercept(
  page: Page,
  url: string | RegExp,
  handler: Parameters<Page['route']>[1],
): Promise<void> {
  let isSeen = false;
  await page.route(url, handler);
  await page.route('**/is-intercepted', async (route) => {
    isSeen = true;
    await route.fulfill({ status: 204 });
  });
  while (!isSeen) await page.evaluate(`fetch('/is-intercepted').then(() => {}, () => {})`);
  // One of the two stays, so that the way stays open.
  await page.unroute('**/is-intercepted');
}

/** Closes the browser if there is one. */
export async function endBrowser(): Promise<void> {
  const ending = shared;
  shared = undefined;
  free.clear();
  await (await ending)?.close();
}

/**
 * A page without anything that is stored, as in a new browser. It may be one that another test has left, because a new one is a process
 * with cold scripts, which costs three times as much as loading an app again.
 */
export async function takePage({ kind, make, still, isNew = false }: Kind): Promise<OwnPage> {
  const own = (!isNew && free.get(kind)?.pop()) || (await opened());
  taken.add(own);
  stills.set(own, still);
  return own;

  async function opened(): Promise<OwnPage> {
    const context = await make();
    const page = await context.newPage();
    watch(page);
    const made: OwnPage = {
      page,
      context,
      async leave() {
        if (!taken.delete(made)) return;
        const isClean =
          !page.isClosed() &&
          (await clean(made, stills.get(made) as string).then(
            () => true,
            () => false,
          ));
        if (isClean) free.set(kind, [...(free.get(kind) ?? []), made]);
        else await context.close();
      },
    };
    return made;
  }
}

/** Forgets what a test has stored, routed and opened. */
async function clean({ page, context }: OwnPage, still: string): Promise<void> {
  for (const each of context.pages()) if (each !== page) await each.close();
  for (const event of ['console', 'pageerror', 'response'] as const) page.removeAllListeners(event);
  await context.setOffline(false);
  await context.unrouteAll({ behavior: 'ignoreErrors' });
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.goto(still);
  await page.evaluate('localStorage.clear(), sessionStorage.clear()');
  await context.clearCookies();
  await page.emulateMedia({ colorScheme: null, reducedMotion: null });
}

async function launch(): Promise<Browser> {
  return chromium.launch(
    process.platform === 'linux'
      ? // Without a sandbox, because root may not have one. All pages are our own.
        {
          executablePath: await unpackChromium(),
          // Without processes for graphics and for the network, which would only pass things on, and with scripts on one thread: where every core is
          // busy, threads that compile and collect beside it take an eighth more of the processor in all.
          args: [
            '--no-sandbox',
            '--disable-dev-shm-usage',
            '--disable-gpu',
            '--in-process-gpu',
            // The first two are Playwright's own: of two such switches the last one counts.
            '--enable-features=CDPScreenshotNewSurface,SkipListAccountsWithoutGaiaCookies,NetworkServiceInProcess2',
            '--js-flags=--single-threaded',
            '--disable-audio-output', // nobody hears the sounds, and playing them takes a process and two threads
          ],
        }
      : { channel: 'chrome' },
  );
}

/** Takes the last action back. Its message is the last one: the one before it may still be fading. */
export const undoLast = (page: Page): Promise<void> => page.getByRole('button', { name: 'Undo' }).last().click();

/** Unpacks the browser once per machine and user. If test files do so at the same moment, the first one wins. */
async function unpackChromium(): Promise<string> {
  const version = packageJson.devDependencies['@sparticuz/chromium'];
  const folder = join(tmpdir(), `aether-chromium-${version}-${userInfo().uid}`);
  const program = join(folder, 'chromium');
  if (existsSync(program)) return program;
  const { default: packed } = await import('@sparticuz/chromium');
  const own = await mkdtemp(join(tmpdir(), 'aether-unpack-'));
  const before = process.env.TMPDIR;
  process.env.TMPDIR = own; // it unpacks to this folder
  try {
    await packed.executablePath();
  } finally {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
  }
  await rename(own, folder).catch(() => rm(own, { recursive: true, force: true }));
  return program;
}
