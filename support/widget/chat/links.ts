export type Piece = { text: string; href?: string };

/** Splits a text into words and addresses of web pages; the marks that end a sentence are not part of an address. */
export function findLinks(text: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const { 0: found, index } of text.matchAll(/\bhttps?:\/\/[^\s<>"'`]+/gi)) {
    const href = found.replace(/[.,;:!?)\]}»“”’]+$/, '');
    if (!URL.canParse(href)) continue;
    if (index > from) pieces.push({ text: text.slice(from, index) });
    pieces.push({ text: href, href });
    from = index + href.length;
  }
  if (from < text.length) pieces.push({ text: text.slice(from) });
  return pieces;
}
