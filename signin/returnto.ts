/** What is not a page of the app: coming back there would show JSON, or sign in again and again. */
const notPages = /^\/(signin|api|healthz|readyz|openapi\.json)(\/|$)/;
const charactersMax = 1_500;

/**
 * The path within our own origin to which somebody goes after signing in; `/` for everything else that is asked for. Browsers
 * read `//host`, `/\host` and `/.//host` as addresses of another host, so what counts is what the URL parser makes of it.
 */
export function safeReturnTo(asked: string | undefined): string {
  if (!asked?.startsWith('/') || asked.length > charactersMax || /[\p{Cc}\\]/u.test(asked)) return '/';
  const home = 'http://own.invalid';
  if (!URL.canParse(asked, home)) return '/';
  const { origin, pathname, search, hash } = new URL(asked, home);
  if (origin !== home || pathname.startsWith('//') || notPages.test(pathname)) return '/';
  return `${pathname}${search}${hash}`;
}
