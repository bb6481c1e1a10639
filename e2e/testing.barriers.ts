import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { AxeResults } from 'axe-core';
import type { Page } from 'playwright-core';

// Nothing else is reported, so nothing else is described: that halves the time. No rule of these reads style sheets, which axe would fetch and parse
// again for each page: that and the selectors were another third.
const economy = { resultTypes: ['violations'], selectors: false, preload: { assets: ['media'] } };
const all = { ...economy, runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] };
/** The barriers that a colour scheme can change. */
const colours = { ...economy, runOnly: { type: 'rule', values: ['color-contrast', 'link-in-text-block'] } };

/** A page reads the short form in half the time. */
const axe = readFile(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

/** All barriers of a page for people with disabilities. @param of colours: only barriers by colour */
export async function findBarriers(page: Page, of: 'all' | 'colours' = 'all'): Promise<string[]> {
  if (!(await page.evaluate(`'axe' in window`))) await page.evaluate(await axe);
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run(document, ${JSON.stringify(of === 'all' ? all : colours)})`,
  );
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${html.slice(0, 160)}: ${any.map(({ message }) => message).join('; ')}`),
  );
}
