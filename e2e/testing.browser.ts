import { existsSync } from 'node:fs';
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { atEnd } from '@aether/database/testing';
import { type Browser, chromium, type Page } from 'playwright-core';
import packageJson from './package.json' with { type: 'json' };

let shared: Promise<Browser> | undefined;

/**
 * A browser: on Linux the one that npm installed, on other systems the installed Chrome. The test files that run in one
 * worker share it, and each leaves it without pages.
 */
export async function openBrowser(): Promise<Browser> {
  shared ??= launch();
  const browser = await shared;
  atEnd(() => Promise.all(browser.contexts().map((context) => context.close())));
  return browser;
}

async function launch(): Promise<Browser> {
  return chromium.launch(
    process.platform === 'linux'
      ? // Without a sandbox, because root may not have one. All pages are our own.
        {
          executablePath: await unpackChromium(),
          args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'],
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
