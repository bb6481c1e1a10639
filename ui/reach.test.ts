import { expect, test } from 'vitest';
import { callTo, mailTo } from './reach.ts';

test('a number is dialled without its marks, with its extension apart', () => {
  expect(
    ['+49 (30) 1234-567', '+49 30 1234567 ext. 12', '+1 212 555 0100 x7', '030 / 12 34'].map((phone) => callTo(phone)),
  ).toEqual(['tel:+49301234567', 'tel:+49301234567;ext=12', 'tel:+12125550100;ext=7', 'tel:0301234']);
});

test('an address goes to the mail program alone: what looks like a header or a second address stays in it', () => {
  expect(['ada@king.example', 'a+b@king.example', 'a?cc=b@c.example', 'a,b@c.example'].map(mailTo)).toEqual([
    'mailto:ada@king.example',
    'mailto:a%2Bb@king.example',
    'mailto:a%3Fcc%3Db@c.example',
    'mailto:a%2Cb@c.example',
  ]);
});
