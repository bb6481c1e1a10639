import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findLinks } from './links.ts';

const hrefs = (text: string) => findLinks(text).flatMap(({ href }) => href ?? []);

test.each([
  ['See https://shop.example/a?b=c#d.', ['https://shop.example/a?b=c#d']],
  ['(http://a.example/x) and HTTPS://B.EXAMPLE!', ['http://a.example/x', 'HTTPS://B.EXAMPLE']],
  ['„https://ü.example/größe“', ['https://ü.example/größe']],
])('addresses are found without the marks around them: %s', (text, expected) => {
  expect(hrefs(text)).toEqual(expected);
});

test.each([
  'javascript:alert(1)',
  'data:text/html,x',
  'file:///etc/passwd',
  'www.example.com',
  'https://',
  'xhttps://a.example',
])('%s is not a link', (text) => {
  expect(hrefs(text)).toEqual([]);
});

/** Addresses as `fc.webUrl` makes them, which takes seconds for a table of all characters first. */
const percent = fc
  .integer({ min: 0, max: 0xffff })
  .map((code) => encodeURIComponent(String.fromCharCode(code).toWellFormed()));
const segment = fc.string({ unit: fc.oneof(fc.constantFrom(...`aZ09-._~!$&'()*+,;=:@`), percent) });
const address = fc
  .tuple(fc.constantFrom('http', 'https'), fc.webAuthority(), fc.array(segment))
  .map(([scheme, authority, path]) => [`${scheme}://${authority}`, ...path].join('/'));

test('the pieces together are the text, and every link leads to the web', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), address, fc.constant(' '), fc.constant('https://'))), (parts) => {
      const text = parts.join('');
      const pieces = findLinks(text);
      expect(pieces.map((piece) => piece.text).join('')).toBe(text);
      for (const { href } of pieces) if (href) expect(new URL(href).protocol).toMatch(/^https?:$/);
    }),
  );
});
