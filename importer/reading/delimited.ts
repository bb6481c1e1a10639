import type { Piece } from './lines.ts';
import { SourceRefused } from './refusal.ts';
import { plainRow, type RawRow, refusedRow, rowCharactersMax } from './rows.ts';

/*
 * Rows of comma-separated and tab-separated texts.
 *
 * The usual parsers give no physical line for a row behind a quoted line end, and take everything up to the end of the file for one cell when
 * a quote is not closed. Here a row whose quotes are wrong costs its own first line: that line is rejected, and reading goes on with
 * the next physical line. A row whose number of cells is wrong is rejected as a whole; no cell moves to another column.
 *
 * Most lines have no quote. They are split by the engine, which is several times as fast as a loop over characters.
 */

export type Dialect = { delimiter: string; newline: '\n' | '\r' };

/** Quotes that are not closed cost a second look at up to rowCharactersMax each. */
const longReturnsMax = 1_000;

export type DelimitedReader = {
  /** Rows of this piece; a row that is not complete is kept for the next one. */
  read(piece: Piece): RawRow[];
  end(): RawRow[];
};

/**
 * @param columns how many cells each row has; undefined: rows of any number
 * @param line the physical line with which the text begins
 */
export function delimitedReader(dialect: Dialect, columns: number | undefined, line = 1): DelimitedReader {
  return new Reader(dialect, columns, line);
}

class Reader implements DelimitedReader {
  private readonly delimiter: string;
  private readonly newline: string;
  private readonly columns: number | undefined;
  private line: number;
  private pending = '';
  private bad: Map<number, Buffer> = new Map();
  private longReturns = 0;

  constructor({ delimiter, newline }: Dialect, columns: number | undefined, line: number) {
    this.delimiter = delimiter;
    this.newline = newline;
    this.columns = columns;
    this.line = line;
  }

  read(piece: Piece): RawRow[] {
    const rows: RawRow[] = [];
    if (piece.overlong) {
      this.take('', true, rows);
      const { head, bytes } = piece.overlong;
      rows.push(refusedRow(this.line, head, 'too-long', `The line has ${bytes} bytes; only its beginning is kept.`));
      this.line += 1;
      return rows;
    }
    if (piece.bad) {
      const first = this.line + countLines(this.pending, 0, this.pending.length, this.newline);
      for (const [place, bytes] of piece.bad) this.bad.set(first + place, bytes);
    }
    this.take(piece.text, false, rows);
    return rows;
  }

  end(): RawRow[] {
    const rows: RawRow[] = [];
    this.take('', true, rows);
    return rows;
  }

  /** Reads what is pending and `more`. At the end of the text, or in front of a line that is too long, nothing may stay pending. */
  private take(more: string, isEnd: boolean, rows: RawRow[]): void {
    const { newline } = this;
    const text = this.pending === '' ? more : this.pending + more;
    this.pending = '';
    const isLf = newline === '\n';
    let at = 0;
    let quote = text.indexOf('"');
    while (at < text.length) {
      let end = text.indexOf(newline, at);
      if (end < 0) end = text.length;
      if (quote >= 0 && quote < at) quote = text.indexOf('"', at);
      if (quote < 0 || quote >= end) {
        const stop = isLf && text.charCodeAt(end - 1) === 13 && end > at ? end - 1 : end;
        if (stop > at) this.add(rows, text.slice(at, stop), undefined);
        this.line += 1;
        at = end + 1;
        continue;
      }
      const row = this.readQuoted(text, at);
      if (row.state === 'open' && !isEnd && text.length - at <= rowCharactersMax) {
        this.pending = text.slice(at);
        return;
      }
      if (row.state !== 'whole') {
        this.refuseQuote(rows, text, at, end, row.state === 'open');
        at = end + 1;
        continue;
      }
      const raw = text.slice(at, row.stop);
      const lines = row.isMultiline ? countLines(text, at, row.stop, newline) + 1 : 1;
      if (raw.length > rowCharactersMax) {
        const head = raw.slice(0, 1_000);
        rows.push(
          refusedRow(this.line, head, 'too-long', `The row has ${raw.length} characters; its beginning is kept.`),
        );
      } else this.add(rows, raw, row.cells, lines);
      this.line += lines;
      at = row.next;
    }
  }

  /** One row that has a quote, from `start` to its end. */
  private readQuoted(text: string, start: number): QuotedRow {
    const { delimiter, newline } = this;
    const cells: string[] = [];
    let at = start;
    let isMultiline = false;
    let end = -1;
    for (;;) {
      if (text.charCodeAt(at) !== 34) {
        const cut = text.indexOf(delimiter, at);
        if (end < at) end = text.indexOf(newline, at);
        if (end < 0) end = text.length;
        if (cut >= 0 && cut < end) {
          cells.push(text.slice(at, cut));
          at = cut + 1;
          continue;
        }
        const stop = newline === '\n' && text.charCodeAt(end - 1) === 13 && end > at ? end - 1 : end;
        cells.push(text.slice(at, stop));
        return { state: 'whole', cells, stop, next: end + 1, isMultiline };
      }
      // Within quotes: up to a quote that is not doubled.
      let isDoubled = false;
      let close = text.indexOf('"', at + 1);
      while (close >= 0 && text.charCodeAt(close + 1) === 34) {
        isDoubled = true;
        close = text.indexOf('"', close + 2);
      }
      if (close < 0) return { state: 'open' };
      const inner = text.slice(at + 1, close);
      cells.push(isDoubled ? inner.replaceAll('""', '"') : inner);
      if (!isMultiline && inner.includes(newline)) isMultiline = true;
      at = close + 1;
      const next = text[at];
      if (next === delimiter) {
        at += 1;
        continue;
      }
      if (next === undefined) return { state: 'whole', cells, stop: at, next: at, isMultiline };
      if (next === newline) return { state: 'whole', cells, stop: at, next: at + 1, isMultiline };
      if (next === '\r' && newline === '\n' && (text[at + 1] === '\n' || at + 1 === text.length))
        return { state: 'whole', cells, stop: at, next: at + 2, isMultiline };
      return { state: 'wrong' };
    }
  }

  private refuseQuote(rows: RawRow[], text: string, at: number, end: number, isOpen: boolean): void {
    if (isOpen && text.length - at > 65_536) this.longReturns += 1;
    if (this.longReturns > longReturnsMax)
      throw new SourceRefused(
        'unclosed-quotes',
        `More than ${longReturnsMax} quotes are not closed: the text is damaged or has another form than CSV.`,
      );
    const stop = this.newline === '\n' && text.charCodeAt(end - 1) === 13 && end > at ? end - 1 : end;
    const raw = text.slice(at, stop);
    const reason = isOpen
      ? 'A quote begins in this line and is not closed.'
      : 'A quote ends in the middle of a cell: a quote within a cell is written twice.';
    rows.push(refusedRow(this.line, raw, 'quote', reason, this.takeBad(this.line, 1, raw)));
    this.line += 1;
  }

  private add(rows: RawRow[], raw: string, quoted: string[] | undefined, lines = 1): void {
    const { columns } = this;
    const cells = quoted ?? raw.split(this.delimiter);
    const bytes = this.bad.size > 0 ? this.takeBad(this.line, lines, raw) : null;
    if (bytes) rows.push(refusedRow(this.line, raw, 'encoding', 'The line has bytes that are no text.', bytes));
    else if (columns !== undefined && cells.length !== columns) {
      const reason = `The row has ${cells.length} ${cells.length === 1 ? 'cell' : 'cells'}, the header has ${columns}.`;
      rows.push(refusedRow(this.line, raw, 'ragged', reason));
    } else rows.push(plainRow(this.line, raw, cells));
  }

  /** The bytes of a row that is not valid in the encoding; null if it is. */
  private takeBad(line: number, lines: number, raw: string): Buffer | null {
    let isBad = false;
    for (let place = line; place < line + lines; place += 1) isBad ||= this.bad.has(place);
    if (!isBad) return null;
    const texts = raw.split(this.newline);
    const parts: Buffer[] = [];
    for (let place = 0; place < lines; place += 1) {
      const bytes = this.bad.get(line + place);
      this.bad.delete(line + place);
      parts.push(bytes ?? Buffer.from(`${texts[place] ?? ''}${this.newline}`));
    }
    return Buffer.concat(parts);
  }
}

type QuotedRow =
  | { state: 'whole'; cells: string[]; stop: number; next: number; isMultiline: boolean }
  | { state: 'open' | 'wrong' };

function countLines(text: string, from: number, to: number, newline: string): number {
  let lines = 0;
  for (let at = text.indexOf(newline, from); at >= 0 && at < to; at = text.indexOf(newline, at + 1)) lines += 1;
  return lines;
}
