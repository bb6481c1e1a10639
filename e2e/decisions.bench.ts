import { test } from 'vitest';
import { openBrowser } from './testing.browser.ts';
import { wide } from './testing.measure.ts';
import { signIn, startStack } from './testing.stack.ts';

const decisionsCount = Number(process.env.DECISIONS ?? 100);
/** Mostly different people, some merges, some put aside: every decision by one key. */
const keys = ['d', 'm', 'd', 'u', 'd'];

/**
 * How long the machine takes for decisions in the queue of duplicates: from a key to the painted next pair, and until all of them are kept. A
 * person's thinking comes on top of it.
 */
test('a hundred decisions by keyboard', async () => {
  const [browser, stack] = await Promise.all([openBrowser(), startStack()]);
  await stack.asOwner(`
    with made as (
      insert into platform.customers (email, email_key, name, created_by_app)
      select e.email, e.email, initcap(translate(md5(n::text || 'given'), '0123456789', 'ghijklmnop')) || ' '
          || initcap(translate(md5((n / 2)::text), '0123456789', 'ghijklmnop')), 'foundation'
      from generate_series(0, ${decisionsCount * 2 - 1}) n
        cross join lateral (select 'pair' || n || '@pair' || n || '.example' as email) e
      returning id, email)
    select platform.propose_candidates(
      jsonb_agg(jsonb_build_object('a', a.id, 'b', b.id, 'score', 0.9, 'reasons', '["family.equal"]'::jsonb)), 'import', 'matching-1')
    from made a join made b on substring(a.email from '^pair([0-9]+)')::integer % 2 = 0
      and substring(b.email from '^pair([0-9]+)')::integer = substring(a.email from '^pair([0-9]+)')::integer + 1`);
  const { page } = await signIn(browser, stack.console, 'Maya Okafor', { viewport: wide, hasMotion: true });
  const count = async () => {
    const { body } = await stack.call('GET', `${stack.console}/api/duplicates?source=import`, { as: 'maya' });
    return body.counts.open as number;
  };
  const before = await count();
  await page.goto(`${stack.console}/duplicates?source=import`);
  await page.getByRole('link', { name: 'Review' }).press('Enter');
  const title = page.locator('main h1');
  await title.filter({ hasText: / and / }).waitFor();
  const took: number[] = [];
  const began = performance.now();
  for (let n = 0; n < decisionsCount; n++) {
    const shown = await title.innerText();
    const start = performance.now();
    await page.keyboard.press(keys[n % keys.length] as string);
    await title.filter({ hasNotText: shown }).waitFor();
    await page.evaluate('new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)))');
    took.push(performance.now() - start);
  }
  const shownAll = performance.now() - began;
  while ((await count()) > before - decisionsCount) await page.waitForTimeout(50);
  const keptAll = performance.now() - began;
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  console.log(
    `\n${decisionsCount} decisions: key to next pair ${at(0.5)} ms, 95 of 100 within ${at(0.95)} ms, at most ${at(1)} ms; ` +
      `all shown after ${(shownAll / 1000).toFixed(1)} s, all kept after ${(keptAll / 1000).toFixed(1)} s`,
  );
}, 600_000);
