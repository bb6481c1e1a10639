import { InvalidField } from '@aether/platform';
import type { NewRate } from './rates.ts';

/** A positive number with at most twelve digits before and after the point. The database compares it once more. */
export const ratePattern = /^(?=.*[1-9])\d{1,12}(\.\d{1,12})?$/;

const columns = { currency: ['currency', 'code'], valid_from: ['valid_from', 'date', 'from'], rate: ['rate'] };
const faultsMax = 20;

/**
 * Reads a file of rates: a head with currency, valid_from (or date) and rate in any order, then a line for each. Columns are separated by
 * commas, semicolons or tabs; where it is not the comma, a rate may have a decimal comma, as spreadsheets of many countries write it. Pure.
 *
 * @returns the rates, and the line of each.
 * @throws InvalidField that names each line which is wrong, up to twenty
 */
export function readRateFile(text: string): { rates: NewRate[]; places: string[] } {
  const lines = text
    .replace(/^\ufeff/, '')
    .split(/\r\n?|\n/)
    .map((line, index) => ({ line, number: index + 1 }))
    .filter(({ line }) => line.trim() !== '');
  const [head, ...rows] = lines;
  if (!head) throw new InvalidField([{ field: 'csv', message: 'is empty' }]);
  const separator = ['\t', ';', ','].find((each) => head.line.includes(each)) ?? ',';
  const names = cellsOf(head.line, separator).map((name) => name.toLowerCase());
  const place = (known: string[]) => names.findIndex((name) => known.includes(name));
  const at = { currency: place(columns.currency), valid_from: place(columns.valid_from), rate: place(columns.rate) };
  const missing = Object.entries(at).filter(([, index]) => index < 0);
  if (missing.length > 0)
    throw new InvalidField([
      { field: 'csv', message: `has no column ${missing.map(([name]) => name).join(', ')} in its first line` },
    ]);
  const faults: { field: string; message: string }[] = [];
  const read = rows.map(({ line, number }) => {
    const cells = cellsOf(line, separator);
    const rate = (cells[at.rate] ?? '').replace(separator === ',' ? /$^/ : ',', '.');
    const found = { currency: (cells[at.currency] ?? '').toUpperCase(), valid_from: cells[at.valid_from] ?? '', rate };
    const wrong = [
      !/^[A-Z]{3}$/.test(found.currency) && 'a currency such as USD',
      !isDay(found.valid_from) && 'a day such as 2026-01-31',
      !ratePattern.test(rate) && 'a rate such as 0.9215, with at most 12 decimals',
    ].filter(Boolean);
    if (wrong.length > 0) faults.push({ field: `line ${number}`, message: `needs ${wrong.join(', and ')}` });
    return { rate: found, place: `line ${number}` };
  });
  if (read.length === 0) faults.push({ field: 'csv', message: 'has a head and no rate below it' });
  if (faults.length > 0) throw new InvalidField(faults.slice(0, faultsMax));
  return { rates: read.map(({ rate }) => rate), places: read.map(({ place }) => place) };
}

/** What rates hold has neither quotes nor separators in it, so a quote only surrounds a cell. */
const cellsOf = (line: string, separator: string): string[] =>
  line.split(separator).map((cell) =>
    cell
      .trim()
      .replace(/^["']+|["']+$/g, '')
      .trim(),
  );

function isDay(text: string): boolean {
  const [, year] = /^(\d{4})-\d{2}-\d{2}$/.exec(text) ?? [];
  return year !== undefined && Number(year) >= 1900 && Number(year) < 3000 && isReal(text);
}

const isReal = (text: string): boolean => {
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.toISOString().startsWith(text);
};
