import { fromCell, toCell } from '@aether/platform/spreadsheet';
import { anyText } from '@aether/platform/testing.text';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { toCsvLine } from './csv.ts';

test.each([
  ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
  ['+49301234567', `'+49301234567`],
  ['-1+1', `'-1+1`],
  ['@SUM(A1)', `'@SUM(A1)`],
  ['\t=1', `'\t=1`],
  [' \u200b=1', `' \u200b=1`],
  ['|cmd', `'|cmd`],
])('a text that a spreadsheet would take for a formula is a text in the file: %j', (text, field) => {
  expect(toCsvLine([text])).toBe(`${field}\r\n`);
});

test('numbers stay numbers, quotes, commas and line ends stay in their field, and nothing is an empty field', () => {
  const values = [-5, true, null, undefined, 'a,b', 'a "b"', 'a\r\nb', 'plain', new Date(0), { a: 1 }];
  expect(toCsvLine(values)).toBe(`-5,true,,,"a,b","a ""b""","a\r\nb",plain,1970-01-01T00:00:00.000Z,"{""a"":1}"\r\n`);
});

test('every text comes back from a cell as it went in, whatever signs and apostrophes it begins with', () => {
  const text = fc.oneof(anyText(), fc.stringMatching(/^[' =+\-@\t|%a]{0,6}$/));
  fc.assert(fc.property(text, (each) => fromCell(toCell(each)) === each));
  expect(["'t Hooft", "'", '+49 30', "'+49 30"].map(toCell)).toEqual(["'t Hooft", "'", "'+49 30", "''+49 30"]);
});
