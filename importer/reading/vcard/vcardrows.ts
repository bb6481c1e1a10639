import { readPieces } from '../lines.ts';
import { type RawRow, refusedRow } from '../rows.ts';
import type { ByteSource } from '../source.ts';
import { cardColumns, readCard } from './card.ts';

/*
 * Cards of an address book. A card that does not end costs itself: it is rejected at its first line, and reading goes on with the next one.
 */

export type CardLayout = {
  kind: 'vcard';
  encoding: string;
  markBytes: number;
  newline: '\n' | '\r';
  headings: string[];
};

const cardCharactersMax = 4 * 1024 * 1024;

export const looksLikeCards = (text: string): boolean => /^[\s\ufeff]*BEGIN:VCARD\s*$/im.test(text.slice(0, 4_096));

export const cardLayout = (
  text: string,
  { encoding, markBytes }: { encoding: string; markBytes: number },
): CardLayout => ({
  kind: 'vcard',
  encoding,
  markBytes,
  newline: text.includes('\n') ? '\n' : '\r',
  headings: [...cardColumns],
});

export async function* readCards(
  source: ByteSource,
  layout: CardLayout,
): AsyncGenerator<{ rows: RawRow[]; bytes: number }> {
  let bytes = 0;
  async function* counted() {
    for await (const chunk of source.read()) {
      bytes += chunk.length;
      yield chunk;
    }
  }
  const reader = new CardReader();
  for await (const { text, bad, overlong } of readPieces(counted(), { ...layout, lineBytesMax: cardCharactersMax })) {
    const rows: RawRow[] = [];
    if (overlong) reader.spoil('too-long', `A line of the card has ${overlong.bytes} bytes.`, rows);
    else {
      const lines = text.split(layout.newline);
      if (lines.at(-1) === '') lines.pop();
      for (const [place, line] of lines.entries())
        reader.read(line.endsWith('\r') ? line.slice(0, -1) : line, bad?.get(place), rows);
    }
    if (rows.length > 0) yield { rows, bytes };
  }
  const rows: RawRow[] = [];
  reader.end(rows);
  if (rows.length > 0) yield { rows, bytes };
}

class CardReader {
  private line = 0;
  private start = 0;
  private lines: string[] | undefined;
  private characters = 0;
  private nested = 0;
  private problem: { code: 'too-long' | 'encoding'; reason: string } | undefined;
  private badBytes: Buffer[] = [];

  read(line: string, bad: Buffer | undefined, rows: RawRow[]): void {
    this.line += 1;
    if (/^\s*BEGIN:VCARD\s*$/i.test(line)) {
      // A card within a card is that of an assistant, and follows the name of its property.
      if (this.lines && /^(?:\w+\.)?AGENT\b[^:]*:\s*$/i.test(this.lines.at(-1) ?? '')) this.nested += 1;
      else {
        this.refuseOpen(rows);
        this.lines = [];
        this.start = this.line;
        return;
      }
    }
    if (!this.lines) {
      if (line.trim() !== '' && line !== '\ufeff')
        rows.push(refusedRow(this.line, line.slice(0, 1_000), 'malformed', 'The line is in no card.', bad ?? null));
      return;
    }
    if (/^\s*END:VCARD\s*$/i.test(line)) {
      if (this.nested > 0) this.nested -= 1;
      else {
        this.close(rows);
        return;
      }
    }
    if (bad) {
      this.problem ??= { code: 'encoding', reason: 'The card has bytes that are no text.' };
      this.badBytes.push(bad);
    }
    this.characters += line.length;
    if (this.characters > cardCharactersMax)
      this.problem ??= { code: 'too-long', reason: 'The card has more than 4 MB of text.' };
    // Lines of an assistant's card stay out of the cells, and in what is kept of the card.
    if (!this.problem || this.lines.length < 20) this.lines.push(line);
  }

  /** The current card has a line that cannot be read; outside of a card, the line is a row of its own. */
  spoil(code: 'too-long', reason: string, rows: RawRow[]): void {
    this.line += 1;
    if (this.lines) this.problem ??= { code, reason };
    else rows.push(refusedRow(this.line, '', code, reason));
  }

  end(rows: RawRow[]): void {
    this.refuseOpen(rows);
  }

  private refuseOpen(rows: RawRow[]): void {
    if (this.lines)
      rows.push(refusedRow(this.start, this.raw(false), 'malformed', 'The card does not end (END:VCARD is missing).'));
    this.reset();
  }

  private close(rows: RawRow[]): void {
    const raw = this.raw(true);
    const { problem, lines = [], start } = this;
    if (problem) {
      const bytes = this.badBytes.length > 0 ? Buffer.concat(this.badBytes) : null;
      rows.push(refusedRow(start, raw.slice(0, 100_000), problem.code, problem.reason, bytes));
    } else {
      const { cells, remarks } = readCard(withoutAgents(lines));
      rows.push({ line: start, raw, cells, kinds: null, refusal: null, bytes: null, remarks });
    }
    this.reset();
  }

  private raw(isClosed: boolean): string {
    return ['BEGIN:VCARD', ...(this.lines ?? []), ...(isClosed ? ['END:VCARD'] : [])].join('\n');
  }

  private reset(): void {
    this.lines = undefined;
    this.characters = 0;
    this.nested = 0;
    this.problem = undefined;
    this.badBytes = [];
  }
}

function withoutAgents(lines: string[]): string[] {
  if (!lines.some((line) => /^\s*BEGIN:VCARD/i.test(line))) return lines;
  let depth = 0;
  return lines.filter((line) => {
    if (/^\s*BEGIN:VCARD/i.test(line)) depth += 1;
    const isOwn = depth === 0;
    if (/^\s*END:VCARD/i.test(line)) depth -= 1;
    return isOwn;
  });
}
