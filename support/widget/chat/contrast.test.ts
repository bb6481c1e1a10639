import fc from 'fast-check';
import { expect, test } from 'vitest';
import { luminance, textOn } from './contrast.ts';

const color = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`);

test('on every colour that an administrator may choose, the text is readable', () => {
  fc.assert(
    fc.property(color, (background) => {
      const [light, dark] = [luminance(background), luminance(textOn(background))].sort((a, b) => b - a) as [
        number,
        number,
      ];
      expect((light + 0.05) / (dark + 0.05)).toBeGreaterThanOrEqual(4.5);
    }),
  );
});

test.each([
  ['#ffffff', '#000000'],
  ['#ffd60a', '#000000'],
  ['#1f3a8a', '#ffffff'],
  ['#000000', '#ffffff'],
])('on %s the text is %s', (background, text) => {
  expect(textOn(background)).toBe(text);
});
