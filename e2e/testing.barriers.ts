import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { isLong } from '@aether/database/testing.sample';
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

/** What surrounds every page of an app: whoever has looked at it once in these colours and at this width sees it again on the next page. */
const shell = ['aside:has(> nav[aria-label="Main"])', 'header:has(+ main)'];
/** Of equal items of a list or table these show every part; what follows has other words. */
const alike = ['main tbody > tr:nth-child(n + 13)', 'main [role="row"]:nth-child(n + 13)', 'main li:nth-child(n + 13)'];
/** The shells that a run has looked at. */
const known = new Set<string>();

/**
 * The barriers of a page for people with disabilities. In `npm test` the shell of an app is looked at once for each scheme and layout, and of a
 * long list the first twelve items; in `npm run test:long` everything each time.
 *
 * @param of colours: only barriers by colour
 */
export async function findBarriers(page: Page, of: 'all' | 'colours' = 'all'): Promise<string[]> {
  if (!(await page.evaluate(`'axe' in window`))) await page.evaluate(await axe);
  const place = await page.evaluate<string>(
    `[location.origin, innerWidth < 768, document.documentElement.dataset.mantineColorScheme, !!document.querySelector(${JSON.stringify(shell.join())})].join()`,
  );
  const exclude = isLong ? [] : [...alike, ...(known.has(`${place} ${of}`) ? shell : [])].map((each) => [each]);
  const { violations } = await page.evaluate<AxeResults>(
    `axe.run({ exclude: ${JSON.stringify(exclude)} }, ${JSON.stringify(of === 'all' ? all : colours)})`,
  );
  known.add(`${place} ${of}`);
  return violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, any }) => `${id}: ${html.slice(0, 160)}: ${any.map(({ message }) => message).join('; ')}`),
  );
}
