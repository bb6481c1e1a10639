import { isAscii, isUtf8 } from 'node:buffer';
import { SourceRefused } from './refusal.ts';
import type { ByteSource } from './source.ts';

/** How the bytes of a text become characters. */
export type EncodingFinding = {
  /** A label of the WHATWG encoding standard. */
  encoding: string;
  /** Bytes of a byte order mark, which is no part of the text. */
  markBytes: number;
  /** How it was found: by its mark, because all bytes are valid UTF-8, by the zero bytes of UTF-16, or by a guess that a person confirms. */
  by: 'mark' | 'bytes' | 'zeros' | 'guess';
  /** Lines that are not valid in this encoding. They are rejected with their bytes. */
  badLines: number;
  /** For a guess: texts beyond ASCII as this encoding reads them, and the other encodings that could be meant. */
  examples: string[];
  alternatives: string[];
};

const sampleBytesMax = 64 * 1024;
/** One bad line among so many good ones is damage; more of them are another encoding. */
const goodLinesPerBadLine = 10;

/**
 * Finds the encoding of a text: a byte order mark, else UTF-16 by its zero bytes, else strict UTF-8 over all bytes, else a guess.
 *
 * A file of UTF-8 with a few damaged lines stays UTF-8: a guess for all of it would spoil every good line.
 */
export async function findEncoding(source: ByteSource): Promise<EncodingFinding> {
  let carry = Buffer.alloc(0);
  let goodLines = 0;
  let badLines = 0;
  let isFirst = true;
  let samples: Buffer[] = [];
  let sampleBytes = 0;

  const look = (bytes: Buffer) => {
    if (isAscii(bytes)) return;
    forEachLine(bytes, (line) => {
      if (isAscii(line)) return;
      if (isUtf8(line)) {
        goodLines += 1;
        return;
      }
      badLines += 1;
      if (sampleBytes >= sampleBytesMax) return;
      samples.push(Buffer.from(line.subarray(0, 4_096)));
      sampleBytes += Math.min(line.length, 4_096);
    });
  };
  for await (const chunk of source.read()) {
    let bytes = carry.length > 0 ? Buffer.concat([carry, chunk]) : chunk;
    if (isFirst) {
      const known = readMark(bytes) ?? readZeros(bytes);
      if (known) return known;
      isFirst = false;
    }
    // A line that is longer than a chunk is looked at in parts; each part ends in front of a character that may be cut.
    const end = bytes.lastIndexOf(0x0a) + 1 || endOfCharacters(bytes);
    look(bytes.subarray(0, end));
    bytes = bytes.subarray(end);
    carry = Buffer.from(bytes);
  }
  look(carry);
  const found = { encoding: 'utf-8', markBytes: 0, by: 'bytes' as const, examples: [], alternatives: [] };
  if (badLines === 0) return { ...found, badLines };
  if (goodLines >= badLines * goodLinesPerBadLine) return { ...found, badLines };
  const ranked = rankEncodings(Buffer.concat(samples.map((line) => Buffer.concat([line, Buffer.from('\n')]))));
  samples = samples.slice(0, 200);
  const encoding = ranked[0] as string;
  return {
    encoding,
    markBytes: 0,
    by: 'guess',
    badLines: 0,
    examples: samples.slice(0, 5).map((line) => aroundNonAscii(new TextDecoder(encoding).decode(line))),
    alternatives: ranked.slice(1),
  };
}

function readMark(bytes: Buffer): EncodingFinding | undefined {
  const marks: [string, number[]][] = [
    ['utf-32', [0xff, 0xfe, 0, 0]],
    ['utf-32', [0, 0, 0xfe, 0xff]],
    ['utf-8', [0xef, 0xbb, 0xbf]],
    ['utf-16le', [0xff, 0xfe]],
    ['utf-16be', [0xfe, 0xff]],
  ];
  const [encoding, mark] = marks.find(([, start]) => start.every((byte, place) => bytes[place] === byte)) ?? [];
  if (!encoding || !mark) return undefined;
  if (encoding === 'utf-32')
    throw new SourceRefused('not-a-table', 'The text is in UTF-32. Save it as UTF-8 and import it again.');
  return { encoding, markBytes: mark.length, by: 'mark', badLines: 0, examples: [], alternatives: [] };
}

/** UTF-16 without a mark: in one half of the byte pairs, most bytes are zero, because line ends, digits and commas are ASCII. */
function readZeros(bytes: Buffer): EncodingFinding | undefined {
  const head = bytes.subarray(0, 4_096);
  const zeros: [number, number] = [0, 0];
  for (let place = 0; place < head.length; place += 1) if (head[place] === 0) zeros[(place % 2) as 0 | 1] += 1;
  const [even, odd] = zeros;
  // Line ends, commas and digits alone are a twentieth. A few characters have a zero in their other half.
  if (even + odd < head.length / 40) return undefined;
  const encoding = odd > even * 4 ? 'utf-16le' : even > odd * 4 ? 'utf-16be' : undefined;
  if (!encoding) return undefined;
  return { encoding, markBytes: 0, by: 'zeros', badLines: 0, examples: [], alternatives: [] };
}

function forEachLine(bytes: Buffer, look: (line: Buffer) => void): void {
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    const next = end < 0 ? bytes.length : end + 1;
    look(bytes.subarray(start, next));
    start = next;
  }
}

/** The place before the last character, if its bytes are not all there. */
function endOfCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 4 && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back] as number;
    if (byte >= 0xc0) return bytes.length - back;
    if (byte < 0x80) break;
  }
  return bytes.length;
}

/** Around the first character beyond ASCII: what a person needs to see whether the encoding is right. */
function aroundNonAscii(text: string): string {
  const at = Math.max(text.search(/[^ -~]/), 0);
  return text
    .slice(Math.max(0, at - 20), at + 30)
    .replace(/[\r\n\t]+/g, ' ')
    .trim();
}

const manyBytes = ['shift_jis', 'gb18030', 'big5', 'euc-kr', 'euc-jp'];
const oneByte = ['windows-1252', 'windows-1250', 'windows-1251', 'macintosh', 'windows-1253', 'windows-1254', 'koi8-r'];
/** Letters that are frequent in the languages of an encoding; a wrong encoding shows rare ones. */
const usual: Record<string, RegExp> = {
  'windows-1252': /[äöüßÄÖÜéèêàâçñóíáúãõåøæëïîôûÅØÆÉ]/g,
  macintosh: /[äöüßÄÖÜéèêàâçñóíáúãõåøæëïîôûÅØÆÉ]/g,
  'windows-1250': /[ąćęłńóśźżĄĆĘŁŃŚŹŻčřšžýáíéěůúňťďőűĐđČŘŠŽțşăâî]/g,
  'windows-1254': /[ışğçöüİŞĞÇÖÜ]/g,
  'windows-1251': /[а-яёіїєґ]/g,
  'koi8-r': /[а-яё]/g,
  'windows-1253': /[α-ωάέήίόύώ]/g,
};

/** The encodings that could be meant by these bytes, the likeliest first. */
export function rankEncodings(sample: Buffer): string[] {
  const scored = [...oneByte, ...manyBytes].map((encoding) => ({ encoding, score: scoreEncoding(encoding, sample) }));
  scored.sort((one, other) => other.score - one.score);
  return scored.filter(({ score }, place) => place === 0 || score > 0).map(({ encoding }) => encoding);
}

function scoreEncoding(encoding: string, sample: Buffer): number {
  const text = new TextDecoder(encoding).decode(sample);
  const beyond = text.match(/[^\p{ASCII}]/gu) ?? [];
  if (beyond.length === 0) return 0;
  const damaged = (text.match(/[\u0080-\u009f\ufffd\ue000-\uf8ff]/g) ?? []).length;
  // A word that mixes scripts, or a letter beside a symbol of another alphabet's place, shows a wrong table.
  const odd = (text.match(/\p{L}[^\p{L}\p{M}\p{N}\p{P}\s\p{ASCII}]|[^\p{L}\p{M}\p{N}\p{P}\s\p{ASCII}]\p{Ll}/gu) ?? [])
    .length;
  const capitals = (text.match(/\p{Ll}[^\P{Lu}\p{ASCII}]/gu) ?? []).length;
  if (manyBytes.includes(encoding)) {
    const common = (text.match(/[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3]/g) ?? []).length;
    const rare = (text.match(/[\uff61-\uff9f\u3400-\u4dbf]/g) ?? []).length;
    if (shareOfUsualPairs(encoding, sample) < 0.7) return 0;
    // Two bytes make one character: compare by bytes, so that an encoding does not win by having fewer characters.
    return damaged > 0 ? -1 : (common - rare * 2) / beyond.length > 0.8 ? 0.95 : 0;
  }
  const fits = (text.match(usual[encoding] as RegExp) ?? []).length;
  return (fits - damaged * 3 - odd * 2 - capitals) / beyond.length;
}

/** The first bytes of frequent characters. Almost any pair of bytes is a character in these encodings, but seldom a frequent one. */
const usualPairs: Record<string, [number, number][]> = {
  shift_jis: [
    [0x81, 0x83],
    [0x88, 0x97],
  ],
  gb18030: [
    [0xa1, 0xa3],
    [0xb0, 0xd7],
  ],
  big5: [[0xa1, 0xc6]],
  'euc-kr': [
    [0xa1, 0xa3],
    [0xb0, 0xc8],
  ],
  'euc-jp': [
    [0xa1, 0xa5],
    [0xb0, 0xcf],
  ],
};

function shareOfUsualPairs(encoding: string, sample: Buffer): number {
  const ranges = usualPairs[encoding] ?? [];
  let pairs = 0;
  let usualOnes = 0;
  for (let at = 0; at < sample.length; at += 1) {
    const byte = sample[at] as number;
    if (byte < 0x80) continue;
    pairs += 1;
    if (ranges.some(([from, to]) => byte >= from && byte <= to)) usualOnes += 1;
    at += 1;
  }
  return pairs === 0 ? 0 : usualOnes / pairs;
}
