import { isAscii, isUtf8 } from 'node:buffer';

/** Whole lines of a text, each with its end. The last line of a source may have none. */
export type Piece = {
  text: string;
  /** Lines that are not valid in the encoding, by their place in this piece from 0: their bytes. */
  bad: Map<number, Buffer> | null;
  /** Instead of a text: one line that is longer than the limit, of which only the beginning is kept. */
  overlong: { head: string; bytes: number } | null;
};

export type LineLayout = { encoding: string; markBytes: number; newline: '\n' | '\r'; lineBytesMax: number };

const headBytes = 1_000;

/** Reads a source as pieces of whole lines. Memory is bounded by `lineBytesMax`, whatever the source has. */
export async function* readPieces(chunks: AsyncIterable<Buffer>, layout: LineLayout): AsyncGenerator<Piece> {
  const isWide = layout.encoding.startsWith('utf-16');
  const findLast = isWide ? lastWide : lastByte;
  const findFirst = isWide ? firstWide : firstByte;
  const code = layout.newline.charCodeAt(0);
  const isBig = layout.encoding === 'utf-16be';
  const decode = decoderOf(layout);
  // The beginning of a line that is not complete. Only such lines are copied: everything else is decoded where it was read.
  let carry: Buffer[] = [];
  let carried = 0;
  let markLeft = layout.markBytes;
  let overlong: { head: Buffer; bytes: number } | undefined;

  for await (const chunk of chunks) {
    const skipped = Math.min(markLeft, chunk.length);
    markLeft -= skipped;
    let bytes = skipped > 0 ? chunk.subarray(skipped) : chunk;
    if (isWide && carried % 2 === 1) {
      // A pair of bytes that a chunk cuts apart.
      bytes = Buffer.concat([...carry, bytes]);
      carry = [];
      carried = 0;
    }
    const first = carried > 0 || overlong ? findFirst(bytes, code, isBig) : 0;
    if (overlong) {
      overlong.bytes += first < 0 ? bytes.length : first;
      if (first < 0) continue;
      yield overlongPiece(overlong, decode);
      overlong = undefined;
      bytes = bytes.subarray(first);
    } else if (carried > 0 && first > 0) {
      yield* decode(Buffer.concat([...carry, bytes.subarray(0, first)]));
      bytes = bytes.subarray(first);
      carry = [];
      carried = 0;
    }
    const end = carried > 0 ? 0 : findLast(bytes, code, isBig);
    if (end > 0) yield* decode(bytes.subarray(0, end));
    const rest = bytes.subarray(end);
    carried += rest.length;
    if (carried > layout.lineBytesMax) {
      overlong = { head: Buffer.concat([...carry, rest]).subarray(0, headBytes), bytes: carried };
      carry = [];
      carried = 0;
    } else if (rest.length > 0) carry.push(Buffer.from(rest));
  }
  if (overlong) yield overlongPiece(overlong, decode);
  else if (carried > 0) yield* decode(Buffer.concat(carry));
}

function overlongPiece(line: { head: Buffer; bytes: number }, decode: (bytes: Buffer) => Iterable<Piece>): Piece {
  const [head] = decode(line.head);
  return { text: '', bad: null, overlong: { head: head?.text ?? '', bytes: line.bytes } };
}

const lastByte = (bytes: Buffer, code: number): number => bytes.lastIndexOf(code) + 1;
const firstByte = (bytes: Buffer, code: number): number => bytes.indexOf(code) + 1 || -1;

/** In UTF-16, the byte of a line end may also be half of another character. */
function lastWide(bytes: Buffer, code: number, isBig: boolean): number {
  for (let at = (bytes.length & ~1) - 2; at >= 0; at -= 2) if (isWideCode(bytes, at, code, isBig)) return at + 2;
  return 0;
}
function firstWide(bytes: Buffer, code: number, isBig: boolean): number {
  for (let at = 0; at + 1 < bytes.length; at += 2) if (isWideCode(bytes, at, code, isBig)) return at + 2;
  return -1;
}
const isWideCode = (bytes: Buffer, at: number, code: number, isBig: boolean): boolean =>
  bytes[isBig ? at + 1 : at] === code && bytes[isBig ? at : at + 1] === 0;

function decoderOf({ encoding, newline }: LineLayout): (bytes: Buffer) => Iterable<Piece> {
  const whole = (text: string): Piece[] => [{ text, bad: null, overlong: null }];
  // UTF-16 is taken as it is; a row with half a surrogate pair is rejected when its cells are looked at.
  if (encoding === 'utf-16le') return (bytes) => whole(bytes.toString('utf16le'));
  if (encoding === 'utf-16be')
    return (bytes) =>
      whole(
        Buffer.from(bytes.subarray(0, bytes.length & ~1))
          .swap16()
          .toString('utf16le'),
      );
  const code = newline.charCodeAt(0);
  const strict = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  const lenient = new TextDecoder(encoding, { ignoreBOM: true });
  return (bytes) => {
    if (isAscii(bytes)) return whole(bytes.toString('latin1'));
    if (encoding === 'utf-8' && isUtf8(bytes)) return whole(bytes.toString('utf8'));
    if (encoding !== 'utf-8') {
      try {
        return whole(strict.decode(bytes));
      } catch {
        // Some line is not valid: below, each is decoded alone.
      }
    }
    const bad = new Map<number, Buffer>();
    const texts: string[] = [];
    for (let start = 0; start < bytes.length; ) {
      const end = bytes.indexOf(code, start) + 1 || bytes.length;
      const line = bytes.subarray(start, end);
      try {
        texts.push(strict.decode(line));
      } catch {
        bad.set(texts.length, Buffer.from(line));
        texts.push(lenient.decode(line));
      }
      start = end;
    }
    return [{ text: texts.join(''), bad, overlong: null }];
  };
}
