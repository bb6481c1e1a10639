import { sample } from '@aether/database/testing.sample';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyText } from '../testing.text.ts';
import { causeOf, shapeOf } from './failurecause.ts';

describe('the shape of an error’s text', () => {
  test.each([
    [
      'no mail server at mx1.example.com:25 for ada@example.com',
      'no mail server at mx<n>.example.com:<n> for <address>',
    ],
    ['customer 0199c7f2-5a11-7d3e-9b6a-0d5f3c1e2a4b is locked', 'customer <id> is locked'],
    ["Key (email)=(ada.o'neil@example.com) already exists", 'Key (email)=(<value>) already exists'],
    ['value "Ada Lovelace" is too long for \'name\'', 'value <value> is too long for <value>'],
    [
      "can't reach https://hooks.example.com/t/abc?id=1 since 2026-11-28T10:00:00.123Z",
      "can't reach <address> since <time>",
    ],
    ['token eyJhbGciOiJIUzI1NiJ9abcdef refused', 'token <id> refused'],
    ['timeout of 2500 ms after 3 attempts', 'timeout of <n> ms after <n> attempts'],
    ['a\n  b\tc', 'a b c'],
  ])('of %j is %j', (text, shape) => {
    expect(shapeOf(text)).toBe(shape);
  });

  test('has no digit, no address and at most 200 characters', () => {
    const word = fc.oneof(
      anyText({ maxLength: 20 }),
      fc.emailAddress(),
      fc.uuid(),
      // fc.webUrl makes a table of all characters first, which takes a second.
      fc
        .tuple(fc.domain(), anyText({ maxLength: 10 }))
        .map(([domain, path]) => `https://${domain}/${encodeURIComponent(path)}?n=${path.length}`),
      fc.integer().map(String),
      fc.date({ noInvalidDate: true }).map((date) => date.toISOString()),
      fc.constantFrom('"', "'", '(', ')', '=', '`', '“', '\n'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        const shape = shapeOf(words.join(' '));
        expect(shape.length).toBeLessThanOrEqual(200);
        expect(shape).not.toMatch(/[0-9]/);
        expect(shape).not.toMatch(/\S@[a-z-]+\.[a-z]/i);
      }),
      { numRuns: sample(200) },
    );
  });
});

describe('the cause of a failure', () => {
  test('is the same for two customers, and another for another error', () => {
    const ofAda = causeOf(new Error('no address ada@example.com in list 17'));
    expect(causeOf(new Error('no address bob@example.org in list 18')).id).toBe(ofAda.id);
    expect(causeOf(new TypeError('no address bob@example.org in list 18')).id).not.toBe(ofAda.id);
    expect(causeOf(new Error('no telephone bob@example.org in list 18')).id).not.toBe(ofAda.id);
    expect(ofAda).toMatchObject({ class: 'Error', text: 'Error: no address ada@example.com in list 17' });
  });

  test('names the code of the database or of the system, and nothing that looks like one', () => {
    expect(causeOf(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })).class).toBe('Error ECONNREFUSED');
    expect(causeOf(Object.assign(new Error('x'), { code: 'ada@example.com' })).class).toBe('Error');
  });

  test('of what is no error, or has characters that PostgreSQL does not store, can be stored', () => {
    expect(causeOf('boom')).toMatchObject({ class: 'Error', text: 'boom', shape: 'boom' });
    expect(causeOf(undefined).text).toBe('undefined');
    expect(causeOf(new Error('a\0b\ud800')).text).toBe('Error: ab\ufffd');
    expect(causeOf(new Error('x'.repeat(100_000))).text).toHaveLength(1_000);
  });
});
