import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '@aether/http';
import { type Served, serve } from '@aether/http';
import { SignJWT } from 'jose';

/** Who can be signed in at the shop. */
const shopper = { id: 'shopper-17', name: 'Nora Lindqvist', email: 'nora@fjordlight.example' };

const identityLife = '30m';

/**
 * A shop to try the widget on: a page of another origin, with a Content-Security-Policy that allows the widget what any host must
 * allow it (script and connect to Support, nothing else), and with customers who are signed in, if one likes.
 *
 * @param secret of the widget, with which the shop says who its customers are; without one nobody is signed in.
 */
export function startDemoShop({
  supportUrl,
  widgetKey,
  secret,
  port,
  log,
}: {
  supportUrl: string;
  widgetKey: string;
  secret: string | undefined;
  port: number;
  log: Log;
}): Promise<Served> {
  const policy = [
    "default-src 'none'",
    "style-src 'self'",
    'img-src data:',
    `script-src ${supportUrl}`,
    `connect-src ${supportUrl}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');

  async function answerPage(isSignedIn: boolean): Promise<Response> {
    const identity = isSignedIn && secret ? ` data-identity="${await signIdentity(secret, widgetKey)}"` : '';
    const who = identity
      ? `Signed in as ${shopper.name} · <a href="/">Sign out</a>`
      : secret
        ? `<a href="/?signed-in">Sign in as ${shopper.name}</a>`
        : 'Guest';
    const page = (await readFile(join(import.meta.dirname, 'shop.html'), 'utf8'))
      .replace('__WHO__', who)
      .replace('__SUPPORT__', supportUrl)
      .replace('__KEY__', widgetKey)
      .replace('__IDENTITY__', identity);
    return new Response(page, {
      headers: {
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': policy,
        'Cache-Control': 'no-store',
      },
    });
  }

  async function fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (request.method !== 'GET') return new Response('Only GET.\n', { status: 405, headers: { Allow: 'GET' } });
    if (pathname === '/') return answerPage(searchParams.has('signed-in'));
    if (pathname !== '/shop.css') return new Response('There is nothing at this address.\n', { status: 404 });
    const style = await readFile(join(import.meta.dirname, 'shop.css'));
    return new Response(style, { headers: { 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'no-cache' } });
  }

  return serve({ fetch } as unknown as Parameters<typeof serve>[0], { port, log });
}

/** What a shop's server does for a customer who is signed in: see docs/widget.md. */
function signIdentity(secret: string, widgetKey: string): Promise<string> {
  return new SignJWT({ email: shopper.email, name: shopper.name })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(shopper.id)
    .setAudience(widgetKey)
    .setIssuedAt()
    .setExpirationTime(identityLife)
    .sign(new TextEncoder().encode(secret));
}
