import { createTestDatabase } from '@aether/database/testing';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { judge, nameInExcerpt } from './excerpt.ts';
import { readTextQuery, type TextQuery } from './query.ts';
import { indexWords, readWords } from './words.ts';

const read = (typed: string): TextQuery => {
  const query = readTextQuery(typed);
  if ('problem' in query) throw new Error(query.problem);
  return query;
};
const finds = (typed: string, text: string): boolean => judge(read(typed), text) !== undefined;
const marked = (typed: string, text: string): string[] => {
  const { text: shown, marks } = judge(read(typed), text)?.excerpt() ?? { text: '', marks: [] };
  return marks.map(({ from, to }) => shown.slice(from, to));
};

test('the database puts a text into the index under the words that this module reads in it', async () => {
  const { connect } = await createTestDatabase();
  const client = await connect('foundation_app');
  const parts = [
    ...[..."aZéß'’ -_.,/@+:#&…\n\t\u0007９“»¿０金継ガｶﾞ한한글々、。・ー٣мΣㅋㅠㄳ각ﾡￂ가😀\u{20bb7}½ª"],
    ...['AB-1234', 'ab1234', 'mary+x@shop.example', ' refund ', 'https://a.example/b?c=d', 'x'.repeat(70), '12.50'],
  ];
  const known = ["ㅋ'ㅠ", "가'\u11a8", "か'\u3099", "'ㅋ’ㅠ'"]; // what is taken away stands between parts that become one
  const made = fc.sample(fc.array(fc.constantFrom(...parts), { maxLength: 10 }), 500).map((each) => each.join(''));
  const texts = [...known, ...made];
  const { rows } = await client.query<{ text: string; terms: string[] }>(
    `select t as text, coalesce(array(select substr(lexeme, 5) from unnest(platform.text_terms(t, '2026-11-29Z'))), '{}') as terms
     from unnest($1::text[]) t`,
    [texts],
  );
  for (const { text, terms } of rows) expect([text, terms.sort()]).toEqual([text, indexWords(text).sort()]);
});

describe('a search', () => {
  test.each([
    ['refund', 'Where is my REFUND?'],
    ['refund', 'two refunds'],
    ['cafe', 'At the Café'],
    ['strasse', 'Hauptstraße 5'.replace('Haupts', 's')],
    ['ürün', 'URUN KIRIK'],
    ["o'connor", 'Mrs O’Connor'],
    ['1234', 'Order AB-1234 is late'],
    ['1234', 'Order AB1234 is late'],
    ['AB-1234', 'Order AB-1234 is late'],
    ['AB-1234', 'Order ab1234 is late'],
    ['AB1234', 'Order AB-1234 is late'],
    ['ab 1234', 'Order AB-1234 is late'],
    ['mary+test@shop.example', 'write to Mary+Test@shop.example.'],
    ['返金', '返金はいつですか'],
    ['金', '返金はいつですか'],
    ['환불', '환불해 주세요'],
    ['큐', 'ㅋㅠ'],
    ['"my order"', 'Where is my order?'],
    ['“my order”', 'Where is my order?'],
    ['order -invoice', 'Where is my order?'],
    ['order where', 'Where is my order?'],
  ])('for %s finds: %s', (typed, text) => expect(finds(typed, text)).toBe(true));

  test.each([
    ['refund', 'a fund'],
    ['re', 'refund'],
    ['mary+test@shop.example', 'mary test shop example'],
    ['mary@shop.example', 'mary+test@shop.example'],
    ['金返', '返金はいつですか'],
    ['"order my"', 'Where is my order?'],
    ['"my ord"', 'Where is my order?'],
    ['order -where', 'Where is my order?'],
    ['order -"my order"', 'Where is my order?'],
    ['order refund', 'Where is my order?'],
    ['AB-1234', 'AB-12345'.replace('5', ' 5').replace('1234', '124')],
  ])('for %s does not find: %s', (typed, text) => expect(finds(typed, text)).toBe(false));

  test.each([
    ['', 'needs a word'],
    ['-', 'needs a word'],
    ['!!! "..."', 'needs a word'],
    ['-refund', 'needs a word that is in the text'],
    ['a b c d e f g h i j k l m', 'at most 12'],
  ])('for “%s” is refused, with the reason', (typed, problem) =>
    expect(readTextQuery(typed)).toMatchObject({ problem: expect.stringContaining(problem) }),
  );
});

test('what was searched is marked in the text as it was written', () => {
  expect(marked('refund AB-1234', 'REFUNDS for ab1234, and AB-1234!')).toEqual(['REFUNDS', 'ab1234', 'AB-1234']);
  expect(marked('cafe', '😀 At the Café')).toEqual(['Café']);
  expect(marked("o'connor", 'Mrs O’Connor’s')).toEqual(['O’Connor’s']);
  expect(marked('返金 いつ', '返金はいつですか')).toEqual(['返金', 'いつ']);
  expect(marked('<b>', 'a <b> tag')).toEqual(['b']);
});

test('a long text is cut around what was searched, at words and never within a character', () => {
  const text = `${'Lorem 😀 ipsum '.repeat(60)}here is the refund ${'😀'.repeat(400)}`;
  const excerpt = judge(read('refund'), text)?.excerpt();
  expect(excerpt).toMatchObject({ starts_inside: true, ends_inside: true });
  expect(excerpt?.text.length).toBeLessThanOrEqual(260);
  expect(excerpt?.text.isWellFormed()).toBe(true);
  expect(excerpt?.marks.map(({ from, to }) => excerpt.text.slice(from, to))).toEqual(['refund']);
});

test('words side by side come before words far apart, and whole words before the beginnings of longer ones', () => {
  const scoreOf = (text: string) => judge(read('order late'), text)?.score ?? Number.NaN;
  const [beside, whole, apart] = ['the order late', 'the orders lately', `order ${'and so on '.repeat(9)} late`].map(
    scoreOf,
  );
  expect(beside).toBeGreaterThan(whole as number);
  expect(whole).toBeGreaterThan(apart as number);
});

test('the words of a long text are read in a time that grows with its length', () => {
  const timeOf = (text: string) => {
    const startedAt = performance.now();
    readWords(text);
    return performance.now() - startedAt;
  };
  timeOf('a-'.repeat(2_000));
  for (const unit of ['a-', 'a', 'ab1', '金', 'é.', '@+', 'ㅋ', 'ไ'])
    expect([unit, timeOf(unit.repeat(100_000 / unit.length)) < 1_000]).toEqual([unit, true]);
});

describe('an excerpt with mentions', () => {
  const people = [{ id: 'u-1', name: 'Maya Okafor' }];
  const shown = (typed: string, body: string) => {
    const cut = judge(read(typed), body)?.excerpt();
    if (!cut) throw new Error('nothing is found');
    const { text, marks } = nameInExcerpt(cut, people);
    return { text, marked: marks.map(({ from, to }) => text.slice(from, to)) };
  };

  test('shows names, and its marks stay on the words', () => {
    expect(shown('refund', 'a <@u-1> asks for a refund, <@gone> too, refund')).toEqual({
      text: 'a @Maya Okafor asks for a refund, @somebody too, refund',
      marked: ['refund', 'refund'],
    });
  });
  test('whose id is searched marks the name', () => {
    expect(shown('u-1', 'ask <@u-1> first')).toEqual({ text: 'ask @Maya Okafor first', marked: ['@Maya Okafor'] });
  });
  test('is cut beside a mention and not in it', () => {
    const filler = 'word '.repeat(50);
    for (let more = 0; more < 70; more++) {
      const { text } = shown(
        'refund',
        `${filler}<@u-1>${' x'.repeat(more)} refund ${'y '.repeat(60 + more)}<@u-1> ${filler}`,
      );
      expect(text).not.toMatch(/[<>]/);
    }
  });
});
