import type { Page } from 'playwright-core';
import { findMisfits } from './testing.misfits.mjs';

/** Waits until all transitions of colours and places have ended. */
export const settled = `new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))).then(() =>
  Promise.all(document.getAnimations().filter(({ effect }) => effect.getComputedTiming().iterations !== Infinity).map(({ finished }) => finished.catch(() => {}))).then(() => true))`;

export const wide = { width: 1440, height: 900 };
export const narrow = { width: 375, height: 780 };

const overhangOf = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

/**
 * What does not fit, at each width. The height stays so that nothing is far below. A page lays out and paints all of itself at each new width, so the
 * present one comes first, and of the widths between two breakpoints (768, 992 and 1200 px) the narrowest is enough: the others have more room.
 */
export async function measure(page: Page, at: number[]): Promise<string[]> {
  const faults: string[] = [];
  const present = page.viewportSize()?.width;
  for (const width of at.toSorted((one, other) => Number(other === present) - Number(one === present))) {
    if (width !== page.viewportSize()?.width) {
      await page.setViewportSize({ width, height: width < 768 ? 780 : 900 });
      await page.evaluate(settled);
    }
    for (const fault of await page.evaluate(findMisfits)) faults.push(`${width} px: ${fault}`);
    const overhang = await page.evaluate<number>(overhangOf);
    if (overhang > 0) faults.push(`${width} px: the page scrolls sideways by ${overhang} px`);
  }
  return faults;
}
