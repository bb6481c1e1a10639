import { readSpanSearch, type SpanSearch } from '../reports/spans.ts';

export type ChangesSearch = SpanSearch & { person?: string; kind?: string; key?: string };

const textMax = 255;

/** The search of the address of the changes; unknown values are left out. Pure. */
export function readChangesSearch({ person, kind, key, ...span }: Record<string, unknown>): ChangesSearch {
  const known = typeof kind === 'string' && /^[a-z_]{1,40}$/.test(kind) ? kind : undefined;
  // A router reads a key that looks like a number as one.
  const given = typeof key === 'number' || typeof key === 'boolean' ? String(key) : key;
  return {
    ...readSpanSearch(span),
    ...(isText(person) && { person }),
    ...(known && { kind: known }),
    ...(known && isText(given) && { key: given }),
  };
}

const isText = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && value.length <= textMax;
