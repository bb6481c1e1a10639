import { expect, test } from 'vitest';
import { callTo, mailTo } from './reach.ts';

test('a number is dialled as the server has read it, with its extension apart', () => {
  expect([callTo('+49301234567', null), callTo('+49301234567', '12')]).toEqual([
    'tel:+49301234567',
    'tel:+49301234567;ext=12',
  ]);
});

test('an address goes to the mail program alone: what looks like a header or a second address stays in it', () => {
  expect(['ada@king.example', 'a+b@king.example', 'a?cc=b@c.example', 'a,b@c.example'].map(mailTo)).toEqual([
    'mailto:ada@king.example',
    'mailto:a%2Bb@king.example',
    'mailto:a%3Fcc%3Db@c.example',
    'mailto:a%2Cb@c.example',
  ]);
});
