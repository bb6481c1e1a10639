import { describe, expect, test } from 'vitest';
import { bagDistance, editDistance, isSlip, jaro, jaroWinkler } from './likeness.ts';

describe('Jaro and Winkler', () => {
  test.each([
    // The values of Winkler's own table.
    ['martha', 'marhta', 0.9444, 0.9611],
    ['dwayne', 'duane', 0.8222, 0.84],
    ['dixon', 'dicksonx', 0.7667, 0.8133],
    ['jones', 'johnson', 0.7905, 0.8324],
    ['abroms', 'abrams', 0.8889, 0.9222],
    ['hardin', 'martinez', 0.7222, 0.7222],
  ])('%s and %s are as alike as in the published table', (a, b, similarity, raised) => {
    expect(jaro(a, b)).toBeCloseTo(similarity, 3);
    expect(jaroWinkler(a, b)).toBeCloseTo(raised, 3);
    expect(jaroWinkler(b, a)).toBeCloseTo(raised, 3);
  });

  test('two letters that changed places are a transposition, also if the name has no others', () => {
    expect(jaro('al', 'la')).toBeCloseTo((1 + 1 + 0.5) / 3, 5);
    expect(jaro('al', 'al')).toBe(1);
    expect(jaro('al', 'bo')).toBe(0);
    expect(jaro('', 'al')).toBe(0);
  });
});

test('an edit is a letter more, less, another one, or two neighbours exchanged; counting stops at the limit', () => {
  expect(editDistance('smith', 'smtih', 3)).toBe(1);
  expect(editDistance('ca', 'abc', 3)).toBe(3);
  expect(editDistance('kitten', 'sitting', 3)).toBe(3);
  expect(editDistance('kitten', 'sitting', 2)).toBe(3);
  expect(editDistance('a'.repeat(500), 'b'.repeat(500), 2)).toBe(3);
  expect(bagDistance('jsneo', 'jones')).toBe(0);
});

test.each([
  ['robert', 'robret'],
  ['smith', 'smiht'],
  ['jones', 'jsneo'],
  ['leo', 'loe'],
])('%s may be a slip for %s', (a, b) => {
  expect(isSlip(a, b)).toBe(true);
  expect(isSlip(b, a)).toBe(true);
});

test.each([
  ['al', 'la'],
  ['jo', 'bo'],
  ['anna', 'peter'],
  ['robert', 'gilbert'],
  ['tim', 'tom-jones'],
])('%s is no slip for %s', (a, b) => {
  expect(isSlip(a, b)).toBe(false);
  expect(isSlip(b, a)).toBe(false);
});
