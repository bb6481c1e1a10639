/*
 * The files of a part of the app, such as a page or a dialog: its script, the scripts that it imports, its styles.
 *
 * A browser remembers a module that could not be loaded, and with it every module that imports it, until the page is left: a second
 * dynamic import fails at once, and one of another address too if it needs the same module (measured in Chromium 153). So all files
 * of a part are fetched first, as often as needed. Their names change with their content, so the browser keeps them, and the import finds them there.
 *
 * The build calls `loadPart` in place of Vite's own helper, around every dynamic import of the app (ui/vite.ts).
 */

/** A part that was not loaded. */
export class PartFault extends Error {
  /** The server answered, but has no such file any more: another attempt may not help, but loading the page again does. */
  readonly isGone: boolean;
  /** The browser remembers the failure: no other attempt on this page can help. */
  readonly isStuck: boolean;

  constructor(message: string, isGone = false, isStuck = false) {
    super(message);
    this.name = 'PartFault';
    this.isGone = isGone;
    this.isStuck = isStuck;
  }
}

const unreachable = 'The server cannot be reached. It is tried again by itself.';
const gone =
  'The server does not have this part of the app any more: a newer version may be installed. What you typed is kept.';
const stuck = 'The browser could not load this part of the app. What you typed is kept.';

const fetchMsMax = 20_000;

/** A part of the app was loaded, so there is a page in whose place something may be missing. */
let hasPage = false;

/**
 * Loads a module after all files that it needs.
 *
 * @param files their paths below the server's root, as the build lists them
 * @throws PartFault
 */
export async function loadPart<Module>(importModule: () => Promise<Module>, files: string[] = []): Promise<Module> {
  const urls = files.map((file) => new URL(`/${file}`, window.location.href).href);
  // Before there is a page, nothing can be lost, and loading all of it again is the other attempt: the quickest way is taken.
  if (hasPage) await Promise.all(urls.map((url) => once(fetched(), url, fetchFile)));
  // All modules are asked for at once: the import alone would find one after another.
  for (const url of urls) if (url.endsWith('.js')) addModule(url);
  // In the order of the list, because later styles win over earlier ones.
  const styles = urls.filter((url) => url.endsWith('.css')).map((url) => once(styled(), url, addStyles));
  const [module] = await Promise.all([importModule().catch(nameFault), ...styles]);
  hasPage = true;
  return module;
}

function nameFault(error: unknown): never {
  const isOfLoading = /dynamically imported module|importing a module/i.test(String((error as Error | null)?.message));
  throw isOfLoading ? new PartFault(stuck, true, true) : error;
}

/** @returns what is wrong with the answer to a request for a file; undefined if it is the file. */
export function findFault(url: string, answer: Pick<Response, 'status' | 'headers'>): PartFault | undefined {
  if (answer.status >= 500 || answer.status === 429) return new PartFault(unreachable);
  // A page in place of the file comes from a proxy that knows no such file, or from a network that wants a sign-in.
  const wanted = url.endsWith('.css') ? /css/ : /javascript/;
  const isFile = answer.status === 200 && wanted.test(answer.headers.get('content-type') ?? '');
  return isFile ? undefined : new PartFault(gone, true);
}

async function fetchFile(url: string): Promise<void> {
  const signal = AbortSignal.timeout(fetchMsMax);
  try {
    const answer = await fetch(url, { signal });
    const fault = findFault(url, answer);
    if (fault) throw fault;
    await answer.arrayBuffer();
  } catch (error) {
    throw error instanceof PartFault ? error : new PartFault(unreachable);
  }
}

const asked = new Set<string>();
function addModule(url: string): void {
  if (asked.has(url)) return;
  asked.add(url);
  const link = document.createElement('link');
  link.rel = 'modulepreload';
  link.crossOrigin = '';
  link.href = url;
  document.head.append(link);
}

function addStyles(url: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const link = document.createElement('link');
  link.rel = 'stylesheet';
  link.crossOrigin = '';
  link.href = url;
  link.dataset.part = ''; // its failure is reported here, not by the page
  link.onload = () => resolve();
  link.onerror = () => {
    link.remove();
    reject(new PartFault(unreachable));
  };
  document.head.append(link);
  return promise;
}

type Known = Map<string, Promise<void>>;

/** Each file once; one that failed again when it is needed again. */
function once(known: Known, url: string, get: (url: string) => Promise<void>): Promise<void> {
  const promise = known.get(url) ?? get(url);
  known.set(url, promise);
  promise.catch(() => known.delete(url));
  return promise;
}

let allFetched: Known | undefined;
let allStyled: Known | undefined;
const ofPage = (selector: string): Known =>
  new Map([...document.querySelectorAll<HTMLElement>(selector)].map((each) => [addressOf(each), Promise.resolve()]));
const addressOf = (each: HTMLElement) => (each as HTMLLinkElement).href || (each as HTMLScriptElement).src;

/** What the page itself has loaded needs no fetching. */
const fetched = () => {
  allFetched ??= ofPage('script[src], link[rel="modulepreload"], link[rel="stylesheet"]');
  return allFetched;
};
const styled = () => {
  allStyled ??= ofPage('link[rel="stylesheet"]');
  return allStyled;
};
