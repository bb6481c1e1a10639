import axe, { type AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

const all = { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] };
/** The barriers that a colour scheme can change. */
const colours = { runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } };

/** All barriers of a page for people with disabilities. @param of colours: only barriers by colour */
export async function findBarriers(page: Page, of: 'all' | 'colours' = 'all'): Promise<string[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(document, ${JSON.stringify(of === 'all' ? all : colours)})`,
  );
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}
