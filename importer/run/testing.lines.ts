import type { ReadRow } from '../person.ts';
import { person } from './testing.run.ts';

/* Random lists of a few people, with everything that makes it doubtful who is who; the same seed draws the same list. */

export type Line = Parameters<typeof person>[1] & { email?: string; phone?: string };
export type Random = {
  of: <Item>(items: readonly Item[]) => Item;
  is: (chance: number) => boolean;
  upTo: (max: number) => number;
};

/** Repeatable: mulberry32. */
export function drawer(seed: number): Random {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    of: (items) => items[Math.floor(next() * items.length)] as never,
    is: (chance) => next() < chance,
    upTo: (max) => Math.floor(next() * max),
  };
}

export const givenNames = 'Ada Ben Carla Dmitri Elif Farah Goran Hanna Ivan Jale Kofi Lena'.split(' ');
export const familyNames = 'Almeida Brandt Castillo Dvorak Eriksen Fontaine Gruber Hoffmann'.split(' ');

export type Crowd = { people: number; withAddress: number; withName: number };

/** One of few people, as a list may have them: with an id or without, twice, with the mailbox of a role, without an address. */
export function drawLine({ of, is, upTo }: Random, domain: string, { people, withAddress, withName }: Crowd): Line {
  const who = upTo(people);
  const name = `${givenNames[who % 12]} ${familyNames[(who * 5) % 8]}`;
  const number = `+4930${domain.slice(1, -8).padStart(6, '0')}${String(who).padStart(2, '0')}`;
  const email = is(0.05) ? `info@${domain}` : is(0.1) ? `p${upTo(people)}@${domain}` : `p${who}@${domain}`;
  return {
    ...(is(withAddress) && { email }),
    ...(is(withName) && { name }),
    ...(is(0.5) && { externalId: String(is(0.9) ? who : upTo(people)) }),
    ...(is(0.4) && { phone: number }),
    ...(is(0.3) && { timezone: of(['Europe/Berlin', 'Europe/Rome']) }),
    ...(is(0.1) && { notes: [`Note ${upTo(5)}`] }),
  };
}

export function changeLine(random: Random, line: Line): Line[] {
  const { of, is } = random;
  if (is(0.1)) return [];
  if (is(0.7)) return [line];
  return [
    of([
      { ...line, timezone: 'Europe/Oslo' },
      { ...line, name: 'Zoe Novak' },
      { ...line, language: 'de' },
    ]),
  ];
}

export const numbered = (lines: Line[]): ReadRow[] => lines.map((line, at) => person(at + 2, line));
