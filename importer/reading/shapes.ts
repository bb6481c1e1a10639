import { readDate } from './dates.ts';

/** What the values of a column look like. Each number is a share of the cells that are not empty. */
export type Shape = {
  cells: number;
  filled: number;
  /** Of the filled ones, how many are different. */
  distinct: number;
  email: number;
  phone: number;
  /** Telephone numbers with + and their country. */
  international: number;
  integer: number;
  uuid: number;
  date: number;
  url: number;
  exchange: number;
  /** Cells with letters only, as names have. */
  words: number;
  boolean: number;
};

const email = /^[^\s@,;<>"]+@[^\s@,;<>"]+\.[^\s@,;<>".]{2,}$/;
const emails = /^[^@]+@[^@\s;,]+(?:\s*(?:;|,|:::|\n)\s*[^\s@;,]+@[^\s@;,]+\.[^\s@;,]+)*$/;
const international = /^(?:tel:)?\s*(?:\+|00)\d[\d\s().\-/]{6,20}(?:\s*(?:x|ext\.?|;ext=|#)\s*\d+)?$/i;
const phone = /^[+(]?\d[\d\s().\-/]{5,20}(?:\s*(?:x|ext\.?|#)\s*\d+)?$/i;
const uuid = /^\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?$/i;
const url = /^(?:https?:\/\/)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}(?:[:/?#]\S*)?$/i;
const exchange = /^\/o=/i;
const words = /^[\p{L}\p{M}][\p{L}\p{M}\s'’.-]*$/u;
const boolean = /^(?:true|false|yes|no|0|1)$/i;

export function shapeOf(cells: readonly string[]): Shape {
  const filled = cells.map((cell) => cell.trim()).filter((cell) => cell !== '');
  const share = (fits: (cell: string) => boolean) =>
    filled.length === 0 ? 0 : filled.filter(fits).length / filled.length;
  return {
    cells: cells.length,
    filled: filled.length,
    distinct: new Set(filled).size,
    email: share((cell) => cell.length < 400 && (email.test(cell) || (cell.includes('@') && emails.test(cell)))),
    phone: share((cell) => phone.test(cell) && !isPlainDate(cell) && cell.replace(/\D/g, '').length >= 7),
    international: share((cell) => international.test(cell)),
    integer: share((cell) => /^\d{1,25}$/.test(cell)),
    uuid: share((cell) => uuid.test(cell)),
    date: share(isPlainDate),
    url: share((cell) => url.test(cell) && !cell.includes('@')),
    exchange: share((cell) => exchange.test(cell)),
    words: share((cell) => words.test(cell)),
    boolean: share((cell) => boolean.test(cell)),
  };
}

/** Epoch seconds are integers as well, so they are no date here. */
const isPlainDate = (cell: string): boolean => !/^\d+$/.test(cell) && readDate(cell) !== undefined;

/** A cell that a heading never is: an address, a number, a date. */
export const looksLikeData = (cell: string): boolean => {
  const text = cell.trim();
  return (
    email.test(text) ||
    international.test(text) ||
    uuid.test(text) ||
    /^-?[\d.,\s]+$/.test(text) ||
    isPlainDate(text) ||
    /^https?:\/\//i.test(text)
  );
};
