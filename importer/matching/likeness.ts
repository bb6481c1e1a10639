/*
 * How alike two short texts are. The packages for it on npm are wrong for names of one and two letters (AL and LA get 0, 0.667 or 0.833), so
 * these are our own. They work on UTF-16 code units: names are folded before, and what is left beyond that plane is compared by halves.
 */

/**
 * Jaro's similarity, from 0 to 1. Two letters match when they are equal and not farther apart than half the longer text, less one, and never
 * less than one place apart, so that AL and LA are a transposition, as they are for `MARTHA` and `MARHTA`.
 */
export function jaro(a: string, b: string): number {
  if (a === b) return 1;
  if (a === '' || b === '') return 0;
  const reach = Math.max(1, Math.floor(Math.max(a.length, b.length) / 2) - 1);
  const takenB = new Uint8Array(b.length);
  const matchedA: number[] = [];
  for (let i = 0; i < a.length; i++) {
    const end = Math.min(b.length - 1, i + reach);
    for (let j = Math.max(0, i - reach); j <= end; j++) {
      if (takenB[j] || a.charCodeAt(i) !== b.charCodeAt(j)) continue;
      takenB[j] = 1;
      matchedA.push(a.charCodeAt(i));
      break;
    }
  }
  if (matchedA.length === 0) return 0;
  let outOfOrder = 0;
  let at = 0;
  for (let j = 0; j < b.length; j++) if (takenB[j] && matchedA[at++] !== b.charCodeAt(j)) outOfOrder++;
  const m = matchedA.length;
  return (m / a.length + m / b.length + (m - outOfOrder / 2) / m) / 3;
}

/** Jaro's similarity, raised by a tenth of what is missing for each of up to four equal first letters, as Winkler proposed. */
export function jaroWinkler(a: string, b: string): number {
  const similarity = jaro(a, b);
  let prefix = 0;
  while (prefix < 4 && prefix < a.length && prefix < b.length && a.charCodeAt(prefix) === b.charCodeAt(prefix))
    prefix++;
  return similarity + prefix * 0.1 * (1 - similarity);
}

const rowLength = 128;
const rows = [new Uint8Array(rowLength), new Uint8Array(rowLength), new Uint8Array(rowLength)];

/**
 * The number of letters to insert, remove, replace or swap with their neighbour that make `a` out of `b` (optimal string alignment).
 *
 * @returns `most + 1` as soon as it is clear that it is more than `most`; also for texts of more than 127 letters that differ.
 */
export function editDistance(a: string, b: string, most: number): number {
  if (a === b) return 0;
  if (Math.abs(a.length - b.length) > most || a.length >= rowLength || b.length >= rowLength) return most + 1;
  // What both begin and end with costs nothing.
  let from = 0;
  let endA = a.length;
  let endB = b.length;
  while (from < endA && from < endB && a.charCodeAt(from) === b.charCodeAt(from)) from++;
  while (endA > from && endB > from && a.charCodeAt(endA - 1) === b.charCodeAt(endB - 1)) {
    endA--;
    endB--;
  }
  const lengthA = endA - from;
  const lengthB = endB - from;
  if (lengthA === 0 || lengthB === 0) return Math.min(lengthA + lengthB, most + 1);
  let [before, above, row] = rows as [Uint8Array, Uint8Array, Uint8Array];
  for (let j = 0; j <= lengthB; j++) above[j] = j;
  for (let i = 1; i <= lengthA; i++) {
    row[0] = i;
    let least = i;
    const letter = a.charCodeAt(from + i - 1);
    for (let j = 1; j <= lengthB; j++) {
      const other = b.charCodeAt(from + j - 1);
      let cost = (above[j - 1] as number) + (letter === other ? 0 : 1);
      if ((above[j] as number) + 1 < cost) cost = (above[j] as number) + 1;
      if ((row[j - 1] as number) + 1 < cost) cost = (row[j - 1] as number) + 1;
      if (i > 1 && j > 1 && letter === b.charCodeAt(from + j - 2) && a.charCodeAt(from + i - 2) === other) {
        const swapped = (before[j - 2] as number) + 1;
        if (swapped < cost) cost = swapped;
      }
      row[j] = cost;
      if (cost < least) least = cost;
    }
    if (least > most) return most + 1;
    [before, above, row] = [above, row, before];
  }
  return Math.min(above[lengthB] as number, most + 1);
}

/** By UTF-16 code unit; all zero between two calls. */
const surplus = new Int16Array(1 << 16);

/**
 * How many letters one text has that the other one lacks, whatever their order; the larger of both numbers. It is never more than the edit
 * distance, because one edit adds and removes at most one letter.
 */
export function bagDistance(a: string, b: string): number {
  for (let i = 0; i < a.length; i++) surplus[a.charCodeAt(i)] = (surplus[a.charCodeAt(i)] as number) + 1;
  for (let i = 0; i < b.length; i++) surplus[b.charCodeAt(i)] = (surplus[b.charCodeAt(i)] as number) - 1;
  return Math.max(takeSurplus(a, 1), takeSurplus(b, -1));
}

function takeSurplus(text: string, sign: number): number {
  let sum = 0;
  for (let i = 0; i < text.length; i++) {
    const count = (surplus[text.charCodeAt(i)] as number) * sign;
    if (count <= 0) continue;
    sum += count;
    surplus[text.charCodeAt(i)] = 0;
  }
  return sum;
}

/**
 * Whether one of two names may be a slip of the other one: a letter or two typed wrongly, left out, doubled or in the wrong place. Names of one
 * or two letters are never slips of each other.
 */
export function isSlip(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  const longer = Math.max(a.length, b.length);
  if (shorter < 2 || longer < 3 || longer - shorter > 2) return false;
  const bag = bagDistance(a, b);
  if (bag > 2) return false;
  const distance = editDistance(a, b, bag === 2 ? 2 : 3);
  if (distance <= 1) return true;
  if (shorter < 3) return false;
  if (distance === 2) return longer >= 6 || (longer >= 4 && bag <= 1);
  return distance === 3 && longer >= 5 && bag <= 1;
}

/** Whether one of two names may be the other one, badly garbled: nearly the same letters, in any order. This is no agreement, but no clash either. */
export function isGarbled(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  const most = garbledMax(Math.max(a.length, b.length));
  return shorter >= 3 && bagDistance(a, b) <= most;
}

/** How many letters a garbled name of this length may have that the other one lacks. */
export const garbledMax = (length: number): number => Math.max(1, Math.floor(length / 3));
