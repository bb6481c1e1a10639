import { type Lock, nameAt } from './lock.ts';

/** The licences that what we give to others may have, by their SPDX identifiers. All allow that without conditions on our own sources. */
export const allowed = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Unlicense',
];

export type Licensed = { name: string; version: string; licence: string; isAllowed: boolean };

/** The licence of each package, as its author declares it. Pure. */
export function readLicences(lock: Lock, paths: string[]): Licensed[] {
  return paths.map((path) => {
    const { version = '', license } = lock.packages[path] ?? {};
    const licence = license ?? 'unknown';
    return { name: nameAt(path), version, licence, isAllowed: isAllowed(licence) };
  });
}

/**
 * Whether an expression of SPDX is met by licences of the list: one side of OR, both sides of AND. An identifier that is not in the list, one with an
 * exception, and anything that is no expression, such as `SEE LICENSE IN …`, is not. Pure.
 */
export function isAllowed(expression: string): boolean {
  const tokens = expression.match(/[()]|[^\s()]+/g) ?? [];
  let at = 0;
  const readAny = (): boolean => {
    let isMet = readAll();
    while (tokens[at] === 'OR') {
      at += 1;
      isMet = readAll() || isMet;
    }
    return isMet;
  };
  const readAll = (): boolean => {
    let isMet = readOne();
    while (tokens[at] === 'AND') {
      at += 1;
      isMet = readOne() && isMet;
    }
    return isMet;
  };
  const readOne = (): boolean => {
    const token = tokens[at++] ?? '';
    if (token !== '(') return allowed.includes(token);
    const isMet = readAny();
    return tokens[at++] === ')' && isMet;
  };
  const isMet = readAny();
  return isMet && at === tokens.length;
}
