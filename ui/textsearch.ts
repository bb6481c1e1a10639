/** The search part of the address of the page that searches in texts. */
export type TextSearch<Kind extends string = string> = { q?: string; kind?: Kind; order?: 'newest' };

/** Reads the search part of the address. */
export function readTextSearch<Kind extends string>(
  { q, kind, order }: Record<string, unknown>,
  kinds: readonly Kind[],
): TextSearch<Kind> {
  return {
    // The router makes numbers of digits.
    q: ['string', 'number'].includes(typeof q) && q !== '' ? String(q) : undefined,
    kind: kinds.find((each) => each === kind),
    order: order === 'newest' ? 'newest' : undefined,
  };
}
