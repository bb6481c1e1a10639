import { escapeHtml, makePage, type Problem } from '@aether/http';

/** The page that a browser shows when a sign-in is refused: what is wrong, and the way to try again. */
export function makeRefusalPage(problem: Problem): { html: string; headers: Record<string, string> } {
  return makePage(
    'You are not signed in',
    `<p>${escapeHtml(problem.message)}</p><a href="/signin">Try again</a><small>${escapeHtml(problem.code)}</small>`,
  );
}

/**
 * Tells a person that their account may not sign in here, and how to go on.
 *
 * @param account the address with which they signed in at the identity provider.
 */
export function makeNotAllowedPage(
  problem: Problem,
  account: string | undefined,
): { html: string; headers: Record<string, string> } {
  const who = account === undefined ? '' : `<p>You signed in as <strong>${escapeHtml(account)}</strong>.</p>`;
  return makePage(
    'You may not use this app',
    `${who}<p>${escapeHtml(problem.message)}</p><a href="/signin?another_account">Sign in with another account</a><small>${escapeHtml(problem.code)}</small>`,
  );
}
