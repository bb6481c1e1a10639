import { fold as foldLetters } from '@aether/platform/folding';

/** One of the values to pick from. */
export type Choice = { value: string; label: string };

const fold = (text: string) => foldLetters(text).trim();

/** Plain strings are choices that are called as their value. */
export const asChoices = (data: readonly (string | Choice)[]): Choice[] =>
  data.map((each) => (typeof each === 'string' ? { value: each, label: each } : each));

/**
 * The choices that contain what was typed; without anything typed, all of them. Those that begin with it come first, then those of which
 * a word begins with it.
 */
export function findHits(choices: Choice[], typed: string | undefined): Choice[] {
  const wanted = fold(typed ?? '');
  if (wanted === '') return choices;
  const rankOf = ({ label }: Choice) => {
    const at = fold(label).indexOf(wanted);
    if (at < 0) return -1;
    return at === 0
      ? 0
      : fold(label)
            .split(/[^\p{L}\p{N}]+/u)
            .some((word) => word.startsWith(wanted))
        ? 1
        : 2;
  };
  return choices
    .map((choice) => ({ choice, rank: rankOf(choice) }))
    .filter(({ rank }) => rank >= 0)
    .sort((one, other) => one.rank - other.rank)
    .map(({ choice }) => choice);
}

/** The choice that is meant when a person types and leaves: the one that is called so, or the only hit. Otherwise nothing is picked. */
export function guessMeant(hits: Choice[], typed: string | undefined): Choice | undefined {
  const wanted = fold(typed ?? '');
  if (wanted === '') return undefined;
  return hits.find(({ label }) => fold(label) === wanted) ?? (hits.length === 1 ? hits[0] : undefined);
}
