import { escapeHtml, makePage, type Problem } from '@aether/http';

/** The page for a refused sign-in: the reason, and a link to try again. */
export function makeRefusalPage(problem: Problem): { html: string; headers: Record<string, string> } {
  return makePage(
    'You are not signed in',
    `<p>${escapeHtml(problem.message)}</p><a href="/signin">Try again</a><small>${escapeHtml(problem.code)}</small>`,
  );
}

/**
 * The page for a person whose account may not sign in here, with a link to another account.
 *
 * @param account the person's address at the identity provider.
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
