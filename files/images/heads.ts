/*
 * What an image says of itself, without decoding it: its size, which way is up, and its bytes without what tells of its maker. Photos carry the
 * place and the time where they were made, the camera's number and small copies of what was cut away. A sender seldom knows that, so it is
 * removed from every image before it is kept. The picture itself stays bit by bit. What follows the picture's end goes too: an archive, a page or
 * a film can hide there.
 */

export type ImageHead = {
  width: number;
  height: number;
  /** As in Exif: 1 is upright; 5 to 8 lie on their side. */
  orientation: number;
  /** The image as it is kept. */
  bytes: Buffer;
};

/** The bytes are not an image of this kind from beginning to end. */
export class NotAnImage extends Error {}

/** @throws NotAnImage */
export function readImage(type: string, bytes: Buffer): ImageHead {
  try {
    if (type === 'image/png') return readPng(bytes);
    if (type === 'image/jpeg') return readJpeg(bytes);
    if (type === 'image/gif') return readGif(bytes);
    return readWebp(bytes);
  } catch (error) {
    // A number is read past the end of the bytes.
    if (error instanceof RangeError) throw new NotAnImage('It ends early.');
    throw error;
  }
}

const keptInPng = /^(?:IHDR|PLTE|IDAT|IEND|tRNS|gAMA|cHRM|sRGB|iCCP|cICP|sBIT|bKGD|pHYs|acTL|fcTL|fdAT)$/;

function readPng(bytes: Buffer): ImageHead {
  const kept = [bytes.subarray(0, 8)];
  for (let at = 8; ; ) {
    const end = at + 12 + bytes.readUInt32BE(at);
    const kind = bytes.toString('latin1', at + 4, at + 8);
    if (end > bytes.length || (at === 8) !== (kind === 'IHDR')) throw new NotAnImage('A part of it is cut.');
    if (keptInPng.test(kind)) kept.push(bytes.subarray(at, end));
    if (kind === 'IEND') break;
    at = end;
  }
  return sized(bytes.readUInt32BE(16), bytes.readUInt32BE(20), 1, kept);
}

function readJpeg(bytes: Buffer): ImageHead {
  const kept = [bytes.subarray(0, 2)];
  let size: Size | undefined;
  let orientation = 1;
  let hasPicture = false;
  for (let at = 2; ; ) {
    if (bytes.readUInt8(at) !== 0xff) throw new NotAnImage('It is in disorder.');
    const marker = bytes.readUInt8(at + 1);
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    if (marker === 0xd9) {
      kept.push(bytes.subarray(at, at + 2));
      break;
    }
    const length = bytes.readUInt16BE(at + 2);
    let end = at + 2 + length;
    if (length < 2 || end > bytes.length) throw new NotAnImage('A part of it is cut.');
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) size = larger(size, [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)]);
    if (marker === 0xe1) orientation = readOrientation(bytes.subarray(at + 4, end)) ?? orientation;
    if (marker === 0xda) {
      hasPicture = true;
      end = endOfScan(bytes, end);
    }
    if (isJfif(marker, bytes.subarray(at + 4, end))) kept.push(withoutCopy(bytes.subarray(at, end)));
    else if (isKeptInJpeg(marker, bytes.subarray(at + 4, end))) kept.push(bytes.subarray(at, end));
    at = end;
  }
  if (!size || !hasPicture) throw new NotAnImage('It has no picture.');
  if (orientation !== 1) kept.splice(1, 0, writeOrientation(orientation));
  return sized(...size, orientation, kept);
}

const isJfif = (marker: number, content: Buffer): boolean =>
  marker === 0xe0 && content.length >= 14 && content.toString('latin1', 0, 5) === 'JFIF\0';

/** JFIF with the density alone: a small copy of the picture can follow. */
function withoutCopy(segment: Buffer): Buffer {
  const head = Buffer.from(segment.subarray(0, 18));
  head.writeUInt16BE(16, 2);
  head.writeUInt16BE(0, 16);
  return head;
}

/** All that decoders need. Of what applications add: the profile of colours, and Adobe's mark, which says how colours are stored. */
function isKeptInJpeg(marker: number, content: Buffer): boolean {
  if (marker >= 0xc0 && marker <= 0xdf) return true;
  const name = content.toString('latin1', 0, 12);
  return (marker === 0xe2 && name.startsWith('ICC_PROFILE')) || (marker === 0xee && name.startsWith('Adobe'));
}

/** Where the next marker is: a byte 0xff within a picture is followed by 0, or by the number of a restart. */
function endOfScan(bytes: Buffer, from: number): number {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes.readUInt8(at + 1);
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  throw new NotAnImage('It ends early.');
}

function readOrientation(content: Buffer): number | undefined {
  if (content.toString('latin1', 0, 6) !== 'Exif\0\0') return undefined;
  const exif = content.subarray(6);
  const isLittle = exif.toString('latin1', 0, 2) === 'II';
  const short = (at: number) => (isLittle ? exif.readUInt16LE(at) : exif.readUInt16BE(at));
  const long = (at: number) => (isLittle ? exif.readUInt32LE(at) : exif.readUInt32BE(at));
  try {
    const directory = long(4);
    for (let entry = 0; entry < short(directory); entry += 1) {
      const at = directory + 2 + entry * 12;
      if (short(at) !== 0x0112) continue;
      const value = short(at + 8);
      return value >= 1 && value <= 8 ? value : undefined;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return undefined;
}

/** Exif with nothing but which way is up. */
function writeOrientation(orientation: number): Buffer {
  const exif = Buffer.from('ffe100224578696600004d4d002a00000008000101120003000000010000000000000000', 'hex');
  exif.writeUInt16BE(orientation, 28);
  return exif;
}

function readGif(bytes: Buffer): ImageHead {
  const tableBytes = (flags: number) => (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  const begin = 13 + tableBytes(bytes.readUInt8(10));
  const kept = [bytes.subarray(0, begin)];
  let size: Size = [bytes.readUInt16LE(6), bytes.readUInt16LE(8)];
  for (let at = begin; ; ) {
    const kind = bytes.readUInt8(at);
    if (kind === 0x3b) {
      kept.push(bytes.subarray(at, at + 1));
      break;
    }
    if (kind !== 0x2c && kind !== 0x21) throw new NotAnImage('It is in disorder.');
    if (kind === 0x2c) size = larger(size, [bytes.readUInt16LE(at + 5), bytes.readUInt16LE(at + 7)]);
    const end = endOfBlocks(bytes, kind === 0x21 ? at + 2 : at + 11 + tableBytes(bytes.readUInt8(at + 9)));
    const label = bytes.readUInt8(at + 1);
    const isLoop = /^(?:NETSCAPE2\.0|ANIMEXTS1\.0)$/.test(bytes.toString('latin1', at + 3, at + 14));
    if (kind === 0x2c || label === 0xf9 || (label === 0xff && isLoop)) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return sized(...size, 1, kept);
}

function endOfBlocks(bytes: Buffer, from: number): number {
  let at = from;
  for (let length = bytes.readUInt8(at); length > 0; length = bytes.readUInt8(at)) at += length + 1;
  return at + 1;
}

const keptInWebp = /^(?:VP8 |VP8L|VP8X|ALPH|ANIM|ANMF|ICCP)$/;

function readWebp(bytes: Buffer): ImageHead {
  const end = 8 + bytes.readUInt32LE(4);
  if (end > bytes.length + 1) throw new NotAnImage('It ends early.');
  const kept: Buffer[] = [Buffer.from(bytes.subarray(0, 12))];
  let size: Size | undefined;
  for (let at = 12; at + 8 <= Math.min(end, bytes.length); ) {
    const kind = bytes.toString('latin1', at, at + 4);
    const length = bytes.readUInt32LE(at + 4);
    const next = at + 8 + length + (length % 2);
    if (at + 8 + length > bytes.length) throw new NotAnImage('A part of it is cut.');
    if (keptInWebp.test(kind)) {
      const part = Buffer.from(bytes.subarray(at, next));
      // The marks that Exif and XMP follow.
      if (kind === 'VP8X') part.writeUInt8(part.readUInt8(8) & ~0x0c, 8);
      kept.push(part, ...(part.length % 2 ? [Buffer.alloc(1)] : []));
      size = larger(size, sizeInWebp(kind, part.subarray(8)));
    }
    at = next;
  }
  if (!size) throw new NotAnImage('It has no picture.');
  (kept[0] as Buffer).writeUInt32LE(kept.reduce((sum, { length }) => sum + length, 0) - 8, 4);
  return sized(...size, 1, kept);
}

function sizeInWebp(kind: string, content: Buffer): Size | undefined {
  if (kind === 'ANMF') return [content.readUIntLE(6, 3) + 1, content.readUIntLE(9, 3) + 1];
  if (kind === 'VP8X') return [content.readUIntLE(4, 3) + 1, content.readUIntLE(7, 3) + 1];
  if (kind === 'VP8 ') return [content.readUInt16LE(6) & 0x3fff, content.readUInt16LE(8) & 0x3fff];
  if (kind !== 'VP8L') return undefined;
  const bits = content.readUInt32LE(1);
  return [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
}

type Size = [width: number, height: number];

/** A head may say to be small while a decoder makes room for what is in it. */
function larger(one: Size, other: Size): Size;
function larger(one: Size | undefined, other: Size | undefined): Size | undefined;
function larger(one: Size | undefined, other: Size | undefined): Size | undefined {
  if (!one || !other) return one ?? other;
  return [Math.max(one[0], other[0]), Math.max(one[1], other[1])];
}

function sized(width: number, height: number, orientation: number, kept: Buffer[]): ImageHead {
  if (width === 0 || height === 0) throw new NotAnImage('It has no size.');
  return { width, height, orientation, bytes: Buffer.concat(kept) };
}
