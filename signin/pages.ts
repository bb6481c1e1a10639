import { escapeHtml, makePage, type Problem } from '@aether/http';

/** The page that a browser shows when a sign-in is refused: what is wrong, and the way to try again. */
export function makeRefusalPage(problem: Problem): { html: string; headers: Record<string, string> } {
  return makePage(
    'You are not signed in',
    `<p>${escapeHtml(problem.message)}</p><a href="/signin">Try again</a><small>${escapeHtml(problem.code)}</small>`,
  );
}
