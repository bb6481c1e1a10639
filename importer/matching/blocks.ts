import type { PersonColumns, PersonTable } from './persontable.ts';
import { mix, NumberList, none } from './texts.ts';

/** Rows are numbered below this: a pair of them and the number of a block fit into one number. */
export const rowsMax = 2 ** 23;
const blocksMax = 2 ** 4;
const hashes = 2 ** 30;

export type BlockName =
  | 'address'
  | 'telephone'
  | 'local part'
  | 'whole name'
  | 'birth date and first name'
  | 'birth date and last name'
  | 'domain and first name'
  | 'domain and last name'
  | 'last name and city'
  | 'first name and city'
  | 'sound of the name'
  | 'address without vowels'
  | 'birth date and city';

/** What a block found and what its size limit kept out: a value that many rows share says little, and compares each with each. */
export type BlockReport = {
  block: BlockName;
  rowsMax: number;
  pairs: number;
  valuesOverLimit: number;
  rowsOverLimit: number;
};

type Block = {
  name: BlockName;
  rowsMax: number;
  /** The fields that all pairs of the block agree in by its nature; they say nothing about how often true pairs agree. */
  fields: readonly string[];
  /** Calls `emit` with a hash for each key of the row. */
  keys: (row: number, emit: (hash: number) => void) => void;
};

/** The keys of blocks, first those that say the most: a pair belongs to the first block that finds it. */
export function listBlocks(table: PersonTable, columns: PersonColumns): Block[] {
  const {
    given,
    family,
    city,
    birth,
    addressStart,
    addressOf,
    phoneStart,
    phoneOf,
    local,
    domain,
    isRole,
    isProvided,
  } = columns;
  const { texts, addresses, phones } = table;
  const hash = (number: number | undefined) => texts.hashOf(number as number);
  const sounds = new Map<number, number>();
  const soundOf = (number: number): number => {
    let sound = sounds.get(number);
    if (sound === undefined) {
      sound = hashText(skeletonOf(texts.textOf(number)));
      sounds.set(number, sound);
    }
    return sound;
  };
  const two = (name: BlockName, rowsMax: number, fields: string[], a: Uint32Array, b: Uint32Array): Block => ({
    name,
    rowsMax,
    fields,
    keys: (row, emit) => {
      if (a[row] !== none && b[row] !== none) emit(mix(a === birth ? (a[row] as number) : hash(a[row]), hash(b[row])));
    },
  });
  const withDomain = (name: BlockName, fields: string[], words: Uint32Array, others: Uint32Array): Block => ({
    name,
    rowsMax: 20,
    fields,
    keys: (row, emit) => {
      if (words[row] === none && others[row] === none) return;
      for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++) {
        const address = addressOf[i] as number;
        if (isProvided[address]) continue;
        if (words[row] !== none) emit(mix(hash(domain[address]), hash(words[row])));
      }
    },
  });
  return [
    {
      name: 'address',
      rowsMax: 30,
      fields: ['address'],
      keys: (row, emit) => {
        for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++)
          emit(addresses.hashOf(addressOf[i] as number));
      },
    },
    {
      name: 'telephone',
      rowsMax: 20,
      fields: ['phone'],
      keys: (row, emit) => {
        for (let i = phoneStart[row] as number; i < (phoneStart[row + 1] as number); i++)
          emit(phones.hashOf(phoneOf[i] as number));
      },
    },
    {
      name: 'local part',
      rowsMax: 20,
      fields: ['address'],
      keys: (row, emit) => {
        for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++)
          if (!isRole[addressOf[i] as number]) emit(hash(local[addressOf[i] as number]));
      },
    },
    {
      name: 'whole name',
      rowsMax: 30,
      fields: ['given', 'family'],
      keys: (row, emit) => {
        const a = hash(given[row]);
        const b = hash(family[row]);
        if (a !== 0 && b !== 0) emit(mix(Math.min(a, b), Math.max(a, b)));
        else if (family[row] !== none && texts.textOf(family[row] as number).charCodeAt(0) > 0x2e80) emit(b);
      },
    },
    two('birth date and last name', 30, ['birth', 'family'], birth, family),
    two('birth date and first name', 30, ['birth', 'given'], birth, given),
    withDomain('domain and last name', ['address', 'family'], family, given),
    withDomain('domain and first name', ['address', 'given'], given, family),
    two('last name and city', 20, ['family', 'city'], family, city),
    two('first name and city', 20, ['given', 'city'], given, city),
    {
      name: 'sound of the name',
      rowsMax: 20,
      fields: ['given', 'family'],
      keys: (row, emit) => {
        if (given[row] === none || family[row] === none) return;
        const a = soundOf(given[row] as number);
        const b = soundOf(family[row] as number);
        emit(mix(Math.min(a, b), Math.max(a, b)));
      },
    },
    two('birth date and city', 10, ['birth', 'city'], birth, city),
    {
      name: 'address without vowels',
      rowsMax: 20,
      fields: ['address'],
      keys: (row, emit) => {
        for (let i = addressStart[row] as number; i < (addressStart[row + 1] as number); i++) {
          const address = addressOf[i] as number;
          if (isRole[address]) continue;
          emit(mix(soundOf(local[address] as number), isProvided[address] ? hash(domain[address]) : 1));
          if (!isProvided[address]) emit(mix(hash(domain[address]), 2));
        }
      },
    },
  ];
}

/** Pairs of rows that a block found, each once, by the first block that found it. */
export type Pairs = {
  count: number;
  /** (smaller row × rowsMax + larger row) × 16 + block, in rising order. */
  codes: Float64Array;
  reports: BlockReport[];
  blocks: Block[];
};

export const firstOf = (code: number): number => Math.floor(code / (rowsMax * blocksMax));
export const secondOf = (code: number): number => Math.floor(code / blocksMax) % rowsMax;
export const blockOf = (code: number): number => code % blocksMax;

/** Finds the pairs to compare. Memory and time grow with the rows, not with their square, because each block has a size limit. */
export function findPairs(table: PersonTable, columns: PersonColumns): Pairs {
  const blocks = listBlocks(table, columns);
  const codes = new NumberList(Float64Array);
  const reports = blocks.map((block, at) => joinBlock(block, at, table.size, codes));
  const all = codes.taken.sort();
  let count = 0;
  let last = -1;
  for (let i = 0; i < all.length; i++) {
    const pair = Math.floor((all[i] as number) / blocksMax);
    if (pair === last) continue;
    last = pair;
    all[count++] = all[i] as number;
  }
  return { count, codes: all.subarray(0, count), reports, blocks };
}

function joinBlock(block: Block, at: number, rows: number, codes: NumberList<Float64Array>): BlockReport {
  // A first pass counts hashes in a small table, so that the values which one row alone has are never sorted.
  const mask = Math.max(2 ** 16, 2 ** Math.ceil(Math.log2(rows * 4))) - 1;
  const seen = new Uint8Array(mask + 1);
  for (let row = 0; row < rows; row++)
    block.keys(row, (hash) => {
      const slot = hash & mask;
      if ((seen[slot] as number) < 2) seen[slot] = (seen[slot] as number) + 1;
    });
  const entries = new NumberList(Float64Array);
  for (let row = 0; row < rows; row++)
    block.keys(row, (hash) => {
      if ((seen[hash & mask] as number) > 1) entries.push((hash & (hashes - 1)) * rowsMax + row);
    });
  const sorted = entries.taken.sort();
  const report: BlockReport = {
    block: block.name,
    rowsMax: block.rowsMax,
    pairs: 0,
    valuesOverLimit: 0,
    rowsOverLimit: 0,
  };
  for (let start = 0; start < sorted.length; ) {
    const key = Math.floor((sorted[start] as number) / rowsMax);
    let end = start + 1;
    while (end < sorted.length && Math.floor((sorted[end] as number) / rowsMax) === key) end++;
    if (end - start > block.rowsMax) {
      report.valuesOverLimit++;
      report.rowsOverLimit += end - start;
    } else
      for (let i = start; i < end; i++)
        for (let j = i + 1; j < end; j++) {
          const a = (sorted[i] as number) % rowsMax;
          const b = (sorted[j] as number) % rowsMax;
          if (a === b) continue;
          codes.push((a * rowsMax + b) * blocksMax + at);
          report.pairs++;
        }
    start = end;
  }
  return report;
}

/** What is left of a word when vowels, double letters, order and the letters that sound alike are taken away: Meyer and Maier, jnoes and Jones. */
export function skeletonOf(word: string): string {
  const letters = word
    .replace(/ph/g, 'f')
    .replace(/ck/g, 'k')
    .replace(/[aeiouyhw0-9._-]/g, '')
    .replace(/[cq]/g, 'k')
    .replace(/z/g, 's')
    .replace(/v/g, 'f')
    .replace(/(.)\1+/g, '$1');
  return letters.length < 2 ? word : [...new Set(letters)].sort().join('');
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return mix(hash, 0) || 1;
}
