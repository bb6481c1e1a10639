import { expect, test } from 'vitest';
import { formatTimeThere, listLanguages, listTimeZones, nameLanguage } from './places.ts';

test('the time there is told with its day when that is another', () => {
  const noon = Date.UTC(2026, 5, 15, 12);
  expect(formatTimeThere(noon, 'Asia/Tokyo')?.hour).toBe(21);
  expect(formatTimeThere(Date.UTC(2026, 5, 15, 12), 'Pacific/Kiritimati')?.text).toMatch(/Tue/);
});

test('what is no time zone or language is not guessed at', () => {
  expect(formatTimeThere(0, 'Mars/Olympus')).toBeUndefined();
  expect(nameLanguage('not a language')).toBe('not a language');
});

test('what a customer has can be chosen again, whatever it is', () => {
  expect(listLanguages('pt-BR').map(({ value }) => value)).toContain('pt-BR');
  expect(listTimeZones('Old/Zone')[0]).toBe('Old/Zone');
});
