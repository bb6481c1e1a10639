import { crc32 } from 'node:zlib';

/** A frame of an animation: a PNG. */
export type Frame = { name: string; png: Buffer };

const signature = Buffer.from('89504e470d0a1a0a', 'hex');
/** Of a frame that covers the one before: no leftover, no blending. */
const covers = Buffer.from([0, 0]);

/**
 * An animated PNG of frames that browsers show one after the other for ever, and that other programs show as the first frame. The frames' own bytes
 * are kept: nothing is compressed again. Pure.
 *
 * @throws Error if a frame is no PNG, or differs in size or kind from the first one.
 */
export function animate(frames: Frame[], secondsEach: number): Buffer {
  const read = frames.map(({ name, png }) => ({ name, chunks: readChunks(name, png) }));
  const head = read[0]?.chunks.find(({ kind }) => kind === 'IHDR')?.data;
  if (!head) throw new Error('An animation needs a frame.');
  let sequence = 0;
  const parts: Buffer[] = [signature, chunk('IHDR', head), chunk('acTL', numbers(read.length, 0))];
  for (const [index, { name, chunks }] of read.entries()) {
    if (!chunks.find(({ kind }) => kind === 'IHDR')?.data.equals(head))
      throw new Error(`${name} has another size or kind than ${read[0]?.name}.`);
    const delay = Buffer.alloc(4);
    delay.writeUInt16BE(Math.round(secondsEach * 100), 0);
    delay.writeUInt16BE(100, 2);
    parts.push(chunk('fcTL', Buffer.concat([numbers(sequence++), head.subarray(0, 8), numbers(0, 0), delay, covers])));
    for (const { kind, data } of chunks)
      if (kind === 'IDAT')
        parts.push(index === 0 ? chunk('IDAT', data) : chunk('fdAT', Buffer.concat([numbers(sequence++), data])));
  }
  return Buffer.concat([...parts, chunk('IEND', Buffer.alloc(0))]);
}

export function readChunks(name: string, png: Buffer): { kind: string; data: Buffer }[] {
  if (!png.subarray(0, 8).equals(signature)) throw new Error(`${name} is no PNG.`);
  const chunks: { kind: string; data: Buffer }[] = [];
  for (let at = 8; at < png.length; ) {
    const length = png.readUInt32BE(at);
    chunks.push({ kind: png.toString('latin1', at + 4, at + 8), data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

function chunk(kind: string, data: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(kind, 'latin1'), data]);
  return Buffer.concat([numbers(data.length), named, numbers(crc32(named))]);
}

function numbers(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index);
  return bytes;
}
