/** Addresses that are not pages of the app: a return to them would show JSON, or sign in again and again. */
const notPages = /^\/(signin|api|healthz|readyz|openapi\.json)(\/|$)/;
const charactersMax = 1_500;

/**
 * The path within our own origin to which a person goes after the sign-in; `/` for any other address. Browsers read
 * `//host`, `/\host` and `/.//host` as addresses of another host, so the result of the URL parser decides.
 */
export function safeReturnTo(asked: string | undefined): string {
  if (!asked?.startsWith('/') || asked.length > charactersMax || /[\p{Cc}\\]/u.test(asked)) return '/';
  const home = 'http://own.invalid';
  if (!URL.canParse(asked, home)) return '/';
  const { origin, pathname, search, hash } = new URL(asked, home);
  if (origin !== home || pathname.startsWith('//') || notPages.test(pathname)) return '/';
  return `${pathname}${search}${hash}`;
}
