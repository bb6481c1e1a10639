import fc, { type Arbitrary, type StringConstraints } from 'fast-check';

const firstSurrogate = 0xd800;
const lastSurrogate = 0xdfff;
const lastCharacter = 0x10ffff;

/** One way there and back, so that fast-check also shrinks to these characters and mixes in the names that are dangerous in JavaScript. */
const codePoints = (min: number, max: number): Arbitrary<string> =>
  fc.integer({ min, max }).map(
    (codePoint) => String.fromCodePoint(codePoint),
    (character) => {
      if (typeof character !== 'string') throw new Error('not a character');
      return character.codePointAt(0) as number;
    },
  );

const character = fc.oneof(
  { weight: firstSurrogate, arbitrary: codePoints(0, firstSurrogate - 1) },
  { weight: lastCharacter - lastSurrogate, arbitrary: codePoints(lastSurrogate + 1, lastCharacter) },
);

/**
 * Texts of any characters. fast-check's own unit `binary` has the same ones, but makes a table of all million characters in each process
 * first, which takes seconds.
 */
export const anyText = (constraints: Omit<StringConstraints, 'unit'> = {}): Arbitrary<string> =>
  fc.string({ ...constraints, unit: character });
