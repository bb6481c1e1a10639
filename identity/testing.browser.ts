/** Acts like a browser: keeps cookies by host (not by port), and follows redirects. */
export type TestBrowser = {
  cookies: Map<string, string>;
  /** One request, with the cookies; no redirect is followed. */
  fetch(url: string, init?: RequestInit): Promise<Response>;
  /** Follows redirects up to a page, or until `stop` returns true for the next address. */
  open(url: string, stop?: (url: string) => boolean): Promise<{ url: string; response: Response; html: string }>;
  /**
   * Goes from an app's /signin to the persona's button, and from there until `stop` returns true for the next address.
   */
  choose(
    startUrl: string,
    persona: string,
    stop?: (url: string) => boolean,
  ): Promise<{ url: string; response: Response }>;
  /** Goes from `/signin` of an app over the persona's button back to the app. @returns the last page */
  signIn(appUrl: string, persona: string, returnTo?: string): Promise<{ url: string; response: Response }>;
  /** Calls like a page of the app: with the origin and the CSRF token. */
  call(appUrl: string, method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Called>;
};
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects of the body.
type Called = { status: number; headers: Headers; body: any };

const redirectsMax = 12;

/** A browser with an empty cookie jar. Every app of these tests runs on 127.0.0.1. */
export function openBrowser(): TestBrowser {
  const cookies = new Map<string, string>();

  async function send(url: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (cookies.size > 0) headers.set('Cookie', [...cookies].map(([name, value]) => `${name}=${value}`).join('; '));
    if (!headers.has('Accept')) headers.set('Accept', 'text/html');
    const response = await fetch(url, { ...init, headers, redirect: 'manual' });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = '', ...flags] = cookie.split(';');
      const name = pair.slice(0, pair.indexOf('='));
      const isOver = flags.some((flag) => /^\s*(max-age=0|expires=Thu, 01 Jan 1970)/i.test(flag));
      if (isOver) cookies.delete(name);
      else cookies.set(name, pair.slice(pair.indexOf('=') + 1));
    }
    return response;
  }

  async function open(start: string, stop: (url: string) => boolean = () => false) {
    let url = start;
    for (let n = 0; n < redirectsMax; n += 1) {
      const response = await send(url);
      const location = response.headers.get('location');
      if (!location) return { url, response, html: await response.text() };
      url = new URL(location, url).href;
      if (stop(url)) return { url, response, html: '' };
    }
    throw new Error(`too many redirects from ${start}`);
  }

  async function choose(startUrl: string, persona: string, stop?: (url: string) => boolean) {
    const page = await open(startUrl);
    const button = page.html.split('<li>').find((item) => item.includes(persona));
    const [, action = ''] = /action="([^"]+)"/.exec(button ?? '') ?? [];
    if (!action)
      throw new Error(`no button for ${persona} on ${page.url}: ${page.response.status} ${page.html.slice(0, 400)}`);
    const answer = await send(new URL(action, page.url).href, { method: 'POST' });
    return open(new URL(answer.headers.get('location') ?? '', page.url).href, stop);
  }

  return {
    cookies,
    fetch: send,
    open,
    choose,
    async signIn(appUrl, persona, returnTo = '/openapi.json') {
      return choose(
        `${appUrl}/signin?return_to=${encodeURIComponent(returnTo)}`,
        persona,
        (url) => url.startsWith(appUrl) && !url.includes('/signin'),
      );
    },
    async call(appUrl, method, path, body, headers = {}) {
      const me = method === 'GET' ? undefined : await send(`${appUrl}/signin/me`);
      const { csrf_token = '' } = me?.ok ? ((await me.json()) as { csrf_token: string }) : {};
      const response = await send(`${appUrl}${path}`, {
        method,
        headers: {
          Accept: 'application/json',
          ...(method !== 'GET' && { Origin: appUrl, 'X-CSRF-Token': csrf_token }),
          ...(body && { 'Content-Type': 'application/json' }),
          ...headers,
        },
        body: body && JSON.stringify(body),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text && JSON.parse(text) };
    },
  };
}
