import type { PersonColumns, PersonTable } from './persontable.ts';
import { mix, NumberList, none } from './texts.ts';

/** Rows are numbered below this: a row and the number of a block fit into 32 bits, a row and a hash into 53. */
export const rowsMax = 2 ** 23;
const blockBits = 4;
const hashes = 2 ** 30;

export type BlockName =
  | 'address'
  | 'telephone'
  | 'local part'
  | 'whole name'
  | 'birth date and sound of the first name'
  | 'birth date and sound of the last name'
  | 'domain and first name'
  | 'domain and last name'
  | 'last name and city'
  | 'first name and city'
  | 'sound of the name'
  | 'address without vowels'
  | 'birth date and city'
  | 'birth date';

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
  const sounds = new Int32Array(texts.size);
  const soundOf = (number: number): number => {
    if (sounds[number] === 0) sounds[number] = hashText(skeletonOf(texts.textOf(number)));
    return sounds[number] as number;
  };
  const two = (name: BlockName, rowsMax: number, fields: string[], a: Uint32Array, b: Uint32Array): Block => ({
    name,
    rowsMax,
    fields,
    keys: (row, emit) => {
      if (a[row] !== none && b[row] !== none) emit(mix(a === birth ? (a[row] as number) : hash(a[row]), hash(b[row])));
    },
  });
  /** People of one date of birth are few enough to look past a slip in the name. */
  const bornAs = (name: BlockName, fields: string[], words: Uint32Array): Block => ({
    name,
    rowsMax: 30,
    fields,
    keys: (row, emit) => {
      if (birth[row] !== none && words[row] !== none) emit(mix(birth[row] as number, soundOf(words[row] as number)));
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
    bornAs('birth date and sound of the last name', ['birth', 'family'], family),
    bornAs('birth date and sound of the first name', ['birth', 'given'], given),
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
      name: 'birth date',
      rowsMax: 12,
      fields: ['birth'],
      keys: (row, emit) => {
        if (birth[row] !== none) emit(mix(birth[row] as number, 3));
      },
    },
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

/** Pairs of rows that a block found, each once, by the first block that found it. They are in the order of their smaller row, then of the larger. */
export type Pairs = {
  count: number;
  /** Where the pairs of a smaller row begin in `codes`; those of row r end where those of r + 1 begin. */
  starts: Uint32Array;
  /** The larger row and the block: see secondOf and blockOf. */
  codes: Uint32Array;
  /** How many pairs each block found first. */
  found: number[];
  reports: BlockReport[];
  blocks: Block[];
};

export const secondOf = (code: number): number => code >>> blockBits;
export const blockOf = (code: number): number => code & ((1 << blockBits) - 1);

/** Finds the pairs to compare. Memory and time grow with the rows, not with their square, because each block has a size limit. */
export function findPairs(table: PersonTable, columns: PersonColumns): Pairs {
  const blocks = listBlocks(table, columns);
  const firsts = new NumberList(Uint32Array);
  const seconds = new NumberList(Uint32Array);
  const reports = blocks.map((block, at) => joinBlock(block, at, table.size, firsts, seconds));
  const starts = new Uint32Array(table.size + 1);
  for (let i = 0; i < firsts.length; i++) {
    const row = firsts.values[i] as number;
    starts[row] = (starts[row] as number) + 1;
  }
  let sum = 0;
  for (let row = 0; row <= table.size; row++) {
    const count = starts[row] as number;
    starts[row] = sum;
    sum += count;
  }
  const codes = new Uint32Array(firsts.length);
  for (let i = 0; i < firsts.length; i++) {
    const row = firsts.values[i] as number;
    codes[starts[row] as number] = seconds.values[i] as number;
    starts[row] = (starts[row] as number) + 1;
  }
  // Each row's start is now its end. Of the codes of one pair, the one of the first block is the smallest.
  const found = blocks.map(() => 0);
  let count = 0;
  let start = 0;
  for (let row = 0; row < table.size; row++) {
    const end = starts[row] as number;
    sortFew(codes, start, end);
    starts[row] = count;
    let last = -1;
    for (let i = start; i < end; i++) {
      const code = codes[i] as number;
      if (secondOf(code) === last) continue;
      last = secondOf(code);
      found[blockOf(code)] = (found[blockOf(code)] as number) + 1;
      codes[count++] = code;
    }
    start = end;
  }
  starts[table.size] = count;
  return { count, starts, codes: codes.slice(0, count), found, reports, blocks };
}

/** Sorts a part of a list in place, most of which are a handful. */
function sortFew(values: Uint32Array, start: number, end: number): void {
  if (end - start > 40) {
    values.subarray(start, end).sort();
    return;
  }
  for (let i = start + 1; i < end; i++) {
    const value = values[i] as number;
    let j = i - 1;
    for (; j >= start && (values[j] as number) > value; j--) values[j + 1] = values[j] as number;
    values[j + 1] = value;
  }
}

function joinBlock(
  block: Block,
  at: number,
  rows: number,
  firsts: NumberList<Uint32Array>,
  seconds: NumberList<Uint32Array>,
): BlockReport {
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
    const base = key * rowsMax;
    let end = start + 1;
    while (end < sorted.length && (sorted[end] as number) < base + rowsMax) end++;
    if (end - start > block.rowsMax) {
      report.valuesOverLimit++;
      report.rowsOverLimit += end - start;
    } else
      for (let i = start; i < end; i++)
        for (let j = i + 1; j < end; j++) {
          const a = (sorted[i] as number) - base;
          const b = (sorted[j] as number) - base;
          if (a === b) continue;
          firsts.push(a);
          seconds.push(((b << blockBits) | at) >>> 0);
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
