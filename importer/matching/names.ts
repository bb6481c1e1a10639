import { fold, hasUnspaced } from '@aether/platform/folding';

/** A name taken apart for comparing: folded words, '' for what is not there. */
export type NameParts = {
  given: string;
  family: string;
  /** Further given and family names, in their order, with spaces between them. */
  others: string;
  /** `jr`, `sr`, `ii` …: a father and a son of one name are two people. */
  generation: string;
};

const titles = new Set(
  'mr mrs ms mx miss dr prof professor sir dame lady lord rev fr hr herr frau fraulein mag ing dipl madame mme monsieur mlle don dona senor senora sig signora'.split(
    ' ',
  ),
);
const degrees = new Set('phd md msc bsc mba ma ba esq dds cpa rn dipl'.split(' '));
const generations = new Set('jr sr junior senior ii iii iv'.split(' '));
const particles = new Set(
  'von van vom zu zum zur de del della delle der den dem di da dos das do du des le la el al bin ibn bint ben ter ten te st y e und'.split(
    ' ',
  ),
);

const noName: NameParts = { given: '', family: '', others: '', generation: '' };

/**
 * Takes a name apart. The first and the last name win over the whole one where both are given. Titles, degrees and particles (`van der`) are
 * left out. A name in Han, kana or Hangul is one word, the family name first, because no spaces divide it.
 */
export function takeNameApart({
  name,
  firstName,
  lastName,
}: {
  name: string | null;
  firstName: string | null;
  lastName: string | null;
}): NameParts {
  if (firstName || lastName) return takePairApart(firstName ?? '', lastName ?? '');
  return name ? takeWholeApart(name) : noName;
}

function takePairApart(first: string, last: string): NameParts {
  if (hasUnspacedQuickly(first) || hasUnspacedQuickly(last))
    return { ...noName, family: fold(last + first).replace(/\s+/g, '') };
  const given = splitWords(first);
  const family = splitWords(last);
  const generation = family.generation || given.generation;
  const [firstGiven = '', ...moreGiven] = given.words;
  const lastFamily = family.words.at(-1) ?? '';
  const others = [...moreGiven, ...family.words.slice(0, -1)].join(' ');
  return { given: firstGiven, family: lastFamily, others, generation };
}

function takeWholeApart(name: string): NameParts {
  if (hasUnspacedQuickly(name)) return { ...noName, family: fold(name).replace(/\s+/g, '') };
  const comma = name.indexOf(',');
  if (comma > 0) {
    const after = splitWords(name.slice(comma + 1));
    const before = splitWords(name.slice(0, comma));
    if (after.words.length > 0 && before.words.length > 0)
      return takePairApart(name.slice(comma + 1), name.slice(0, comma));
  }
  const { words, generation } = splitWords(name);
  if (words.length < 2) return { ...noName, given: words[0] ?? '', generation };
  return {
    given: words[0] as string,
    family: words.at(-1) as string,
    others: words.slice(1, -1).join(' '),
    generation,
  };
}

function splitWords(text: string): { words: string[]; generation: string } {
  if (/^[A-Za-z]*$/.test(text)) return { words: text === '' ? [] : [text.toLowerCase()], generation: '' };
  // Most names are plain words, for which folding is only lower case.
  const all = /^[A-Za-z]+(?: [A-Za-z]+)*$/.test(text)
    ? text.toLowerCase().split(' ')
    : fold(text.replace(/\([^)]*\)|"[^"]*"/g, ' '))
        .split(/[\s.,;:_/‐‑‒–—−-]+/u)
        .filter((word) => word !== '');
  const generation = all.slice(1).find((word) => generations.has(word)) ?? '';
  const words = all.filter(
    (word, at) => !(titles.has(word) || (at > 0 && (generations.has(word) || degrees.has(word)))),
  );
  const bare = words.filter((word) => !particles.has(word));
  return { words: bare.length > 0 ? bare : words, generation: generation.slice(0, 2) };
}

const hasUnspacedQuickly = (text: string) => /[\u2e80-\uffff\ud800-\udfff]/.test(text) && hasUnspaced(text);
