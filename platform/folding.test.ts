import { createTestDatabase } from '@aether/database/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contains, fold, foldJoined, foldWords, hasUnspaced } from './folding.ts';

test.each([
  ['O’Connor', 'oconnor'],
  ['STRASSE', fold('Straße')],
  ['ÜRÜN KIRIK GELDİ', 'urun kirik geldi'],
  ['ＡＢＣ', 'abc'],
  ['ガ', fold('ｶﾞ')],
  ['Ærø', 'aero'],
])('%s is folded to %s', (text, folded) => expect(fold(text)).toBe(folded));

test('every word that is typed is found in any spelling, and no other', () => {
  for (const [text, typed] of [
    ['Mary O’Connor', "o'conn mary"],
    ['Jean-Pierre', 'jeanpierre'],
    ['田中太郎', '太郎'],
    ['Any', ' '],
  ] as const)
    expect(contains(text, typed)).toBe(true);
  expect(contains('田中太郎', '太田')).toBe(false);
  expect(contains('Mary O’Connor', 'mary o’connell')).toBe(false);
  expect(contains('Jean-Ina', 'ina-jean')).toBe(false);
});

test('the database folds as this module does, and folding again changes nothing', async () => {
  const { connect } = await createTestDatabase();
  const client = await connect('foundation_app');
  const parts = [..."aZéÉøßẞĞİıIŁœ'’`-–・ー々 田中太ガｶﾞ김ΟΣςЙё１Ａ٣مُ", '한글', 'Ōe', 'ǆ'];
  const texts = fc.sample(fc.array(fc.constantFrom(...parts), { maxLength: 8 }), 400).map((each) => each.join(''));
  const { rows } = await client.query<{ text: string; folded: string; searched: string; is_folded: boolean }>(
    `select t as text, platform.fold(t) as folded, platform.search_text(t) as searched, platform.is_folded(t)
     from unnest($1::text[]) t`,
    [texts],
  );
  for (const { text, folded, searched, is_folded } of rows) {
    expect(folded).toBe(fold(text));
    expect(fold(folded)).toBe(folded);
    expect(searched).toContain(foldWords(text).trimEnd());
    expect(searched).toContain(foldJoined(text).trimEnd());
    if (hasUnspaced(text) || /[-'’éŁ]/.test(text)) expect(is_folded).toBe(true);
  }
});
