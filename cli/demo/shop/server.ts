import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '@aether/http';
import { type Served, serve } from '@aether/http';
import { SignJWT } from 'jose';

/** The customer who can be signed in at the shop. */
const shopper = { id: 'shopper-17', name: 'Nora Lindqvist', email: 'nora@fjordlight.example' };

const identityLife = '30m';

/**
 * A shop with the widget: a page of another origin. Its Content-Security-Policy allows the widget only what every host
 * must allow (scripts from Support and connections to it). A visitor can sign in as a customer of the shop.
 *
 * @param secret of the widget, with which the shop signs the identity of its customers; without it nobody can sign in.
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

/** Signs the identity of a signed-in customer, as a shop's server does: see docs/widget.md. */
function signIdentity(secret: string, widgetKey: string): Promise<string> {
  return new SignJWT({ email: shopper.email, name: shopper.name })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(shopper.id)
    .setAudience(widgetKey)
    .setIssuedAt()
    .setExpirationTime(identityLife)
    .sign(new TextEncoder().encode(secret));
}
