import { expect, test } from 'vitest';
import { formatTimeThere, listLanguages, listTimeZones, nameLanguage } from './places.ts';

test('the local time shows its day when that differs from the agent’s', () => {
  const noon = Date.UTC(2026, 5, 15, 12);
  expect(formatTimeThere(noon, 'Asia/Tokyo')?.hour).toBe(21);
  expect(formatTimeThere(Date.UTC(2026, 5, 15, 12), 'Pacific/Kiritimati')?.text).toMatch(/Tue/);
});

test('an unknown time zone or language is shown as it is', () => {
  expect(formatTimeThere(0, 'Mars/Olympus')).toBeUndefined();
  expect(nameLanguage('not a language')).toBe('not a language');
});

test('the current value of a customer can always be chosen again', () => {
  expect(listLanguages('pt-BR').map(({ value }) => value)).toContain('pt-BR');
  expect(listTimeZones('Old/Zone')[0]).toBe('Old/Zone');
});
