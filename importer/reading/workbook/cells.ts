/*
 * What a cell of a workbook says. Numbers stay the digits that the file has: a number is a date only if the cell's number format shows one,
 * and the workbook says from which day its dates are counted.
 */

/** Number formats that spreadsheets have built in, and that show a date. */
const builtInDates = new Set([14, 15, 16, 17, 22, 27, 28, 29, 30, 31, 36, 50, 51, 52, 53, 54, 55, 56, 57, 58]);

/**
 * Whether a number format shows a date. Letters within quotes, after a backslash, in a colour or as a filling are no part of a date:
 * `\M0000` shows M0042.
 */
export function isDateFormat(id: number, code: string | undefined): boolean {
  if (code === undefined) return builtInDates.has(id);
  const bare = code
    .replace(/\\./g, '')
    .replace(/[_*]./g, '')
    .replace(/"[^"]*"/g, '')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/General/gi, '')
    .replace(/am\/pm|a\/p/gi, '');
  return /[yd]/i.test(bare) && !/[0#?]/.test(bare.replace(/\.0+/g, ''));
}

const dayMs = 86_400_000;

/**
 * The date that a number means: `44197` → 2021-01-01, `44197.5` → 2021-01-01 12:00:00.
 *
 * @returns undefined if it is no date
 */
export function dateOfSerial(serial: number, is1904: boolean): string | undefined {
  if (!Number.isFinite(serial) || serial < (is1904 ? 0 : 1) || serial >= 2_958_466) return undefined;
  // Day 60 of the 1900 system is a 29 February that did not exist; days before it are counted from one day later.
  const days = is1904 ? serial + 1462 : serial < 60 ? serial + 1 : serial;
  const whole = Math.floor(days);
  const seconds = Math.round((days - whole) * 86_400);
  const at = new Date(Date.UTC(1899, 11, 30) + whole * dayMs + seconds * 1_000).toISOString();
  return seconds === 0 ? at.slice(0, 10) : `${at.slice(0, 10)} ${at.slice(11, 19)}`;
}

/** `BC12` → 54; undefined if it is no reference to a cell. */
export function columnOf(reference: string): number | undefined {
  let column = 0;
  let at = 0;
  for (; at < reference.length; at += 1) {
    const code = reference.charCodeAt(at);
    if (code < 65 || code > 90) break;
    column = column * 26 + code - 64;
  }
  return at > 0 && at <= 3 && column <= 16_384 ? column - 1 : undefined;
}

/** Spreadsheets write characters that XML cannot have as _x000D_. */
export const unescapeCell = (text: string): string =>
  text.includes('_x')
    ? text.replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    : text;
