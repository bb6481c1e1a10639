import { randomBytes } from 'node:crypto';

/** Escapes a text for HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const look = `
  :root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --ground: #f7f7f9; --card: #fff; --line: #e0e1e6; --accent: #3e63dd; }
  @media (prefers-color-scheme: dark) {
    :root { --ink: #edeef0; --soft: #b0b4ba; --ground: #111113; --card: #19191b; --line: #363a3f; --accent: #8da4ef; } }
  * { box-sizing: border-box; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px; background: var(--ground); color: var(--ink);
    font: 16px/1.5 system-ui, sans-serif; }
  main { width: min(420px, 100%); background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 28px; }
  h1 { font-size: 20px; line-height: 1.3; margin: 0 0 6px; }
  p { margin: 0 0 18px; color: var(--soft); }
  a { color: var(--accent); }
  ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 8px; }
  button { width: 100%; display: flex; gap: 12px; align-items: center; text-align: left; padding: 10px 12px; font: inherit; color: inherit;
    background: none; border: 1px solid var(--line); border-radius: 8px; cursor: pointer; }
  button:hover { border-color: var(--accent); }
  :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
  .mark { flex: none; width: 36px; height: 36px; border-radius: 50%; display: grid; place-items: center; background: var(--accent); color: var(--card);
    font-weight: 600; font-size: 14px; }
  .what { display: block; color: var(--soft); font-size: 14px; }
  small { display: block; margin-top: 18px; color: var(--soft); font-size: 13px; }`;

/**
 * A small page without scripts and without anything from other servers.
 *
 * @param formTargets the addresses to which its form may lead, redirects included; by default none.
 */
export function makePage(
  title: string,
  body: string,
  formTargets = "'none'",
): { html: string; headers: Record<string, string> } {
  const nonce = randomBytes(16).toString('base64');
  return {
    html: `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title><style nonce="${nonce}">${look}</style></head>
<body><main><h1>${escapeHtml(title)}</h1>${body}</main></body></html>`,
    headers: {
      'Content-Type': 'text/html; charset=utf-8',
      'Cache-Control': 'no-store',
      'Referrer-Policy': 'no-referrer',
      'X-Content-Type-Options': 'nosniff',
      'Content-Security-Policy': `default-src 'none'; style-src 'nonce-${nonce}'; form-action ${formTargets}; base-uri 'none'; frame-ancestors 'none'`,
    },
  };
}
