import { afterAll, describe, expect, test } from 'vitest';
import { makeImage, makePhoto, readPixels } from '../testing.ts';
import { NotAnImage, readImage } from './heads.ts';
import { openThumbnails } from './thumbnails.ts';

const gif = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
const thumbnails = openThumbnails();
afterAll(thumbnails.close);

/** A chunk of a PNG behind its head. */
function addToPng(png: Buffer, kind: string, content: string): Buffer {
  const chunk = Buffer.concat([Buffer.alloc(4), Buffer.from(kind + content), Buffer.alloc(4)]);
  chunk.writeUInt32BE(content.length);
  return Buffer.concat([png.subarray(0, 33), chunk, png.subarray(33)]);
}
function addToWebp(webp: Buffer, kind: string, content: string): Buffer {
  const head = Buffer.alloc(8);
  head.write(kind);
  head.writeUInt32LE(content.length, 4);
  const made = Buffer.concat([webp, head, Buffer.from(content)]);
  made.writeUInt32LE(made.length - 8, 4);
  return made;
}

describe('an image that is kept', () => {
  test('says no more where and with what it was made, has nothing behind its end, and is the same picture', () => {
    const photo = makePhoto('Oslo');
    const { bytes, ...head } = readImage('image/jpeg', photo);
    expect(head).toEqual({ width: 60, height: 40, orientation: 6 });
    expect(photo.includes('Oslo')).toBe(true);
    expect(bytes.includes('Oslo')).toBe(false);
    // It still says which way is up.
    expect(readImage('image/jpeg', bytes).orientation).toBe(6);
    expect(readPixels(bytes)).toEqual(readPixels(makeImage('jpeg')));
  });

  test.each([
    ['image/png', addToPng(makeImage('png'), 'tEXt', 'Author\0secret'), makeImage('png')],
    ['image/png', Buffer.concat([makeImage('png'), Buffer.from('secret')]), makeImage('png')],
    ['image/webp', addToWebp(makeImage('webp'), 'EXIF', 'secret'), makeImage('webp')],
    [
      'image/gif',
      Buffer.concat([
        gif.subarray(0, 19),
        Buffer.from('\x21\xfe\x06secret\0', 'latin1'),
        gif.subarray(19),
        Buffer.from('secret'),
      ]),
      gif,
    ],
  ])('%s: loses what is no part of the picture', (type, given, kept) => {
    expect(given.includes('secret')).toBe(true);
    expect(readImage(type, given).bytes.equals(kept)).toBe(true);
  });

  test('image/jpeg: loses the small copies that JFIF keeps of it, and segments of which no decoder knows', () => {
    const jpeg = makeImage('jpeg');
    const segment = (marker: number, content: string) =>
      Buffer.concat([Buffer.from([0xff, marker, 0, content.length + 2]), Buffer.from(content, 'latin1')]);
    const given = Buffer.concat([
      jpeg.subarray(0, 2),
      segment(0xe0, 'JFIF\0\x01\x02\0\0\x01\0\x01\x02\x01secret'),
      segment(0xe0, 'JFXX\0\x10secret'),
      segment(0xf7, 'secret'),
      jpeg.subarray(2),
    ]);
    const { bytes } = readImage('image/jpeg', given);
    expect(bytes.includes('secret')).toBe(false);
    expect(readPixels(bytes)).toEqual(readPixels(jpeg));
  });

  test('is as large as the largest picture in it, whatever its head says', () => {
    const frame = Buffer.from(gif);
    frame.writeUInt16LE(60_000, frame.indexOf(0x2c, 19 + 8) + 5);
    expect(readImage('image/gif', frame).width).toBe(60_000);
    const still = makeImage('webp', 300, 200);
    const head = Buffer.from('VP8X\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0', 'latin1');
    const webp = Buffer.concat([still.subarray(0, 12), head, still.subarray(12)]);
    webp.writeUInt32LE(webp.length - 8, 4);
    expect(readImage('image/webp', webp)).toMatchObject({ width: 300, height: 200 });
    const jpeg = makeImage('jpeg');
    const at = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    const large = Buffer.from(jpeg.subarray(at, at + 2 + jpeg.readUInt16BE(at + 2)));
    large.writeUInt16BE(40_000, 7);
    expect(readImage('image/jpeg', Buffer.concat([jpeg.subarray(0, at), large, jpeg.subarray(at)])).width).toBe(40_000);
  });

  test.each(['jpeg', 'png', 'webp'] as const)('%s: one that is cut anywhere is refused', (kind) => {
    const whole = makeImage(kind);
    for (let length = 12; length < whole.length - 2; length += 7)
      expect(() => readImage(`image/${kind}`, whole.subarray(0, length)), `${length}`).toThrow(NotAnImage);
  });
});

describe('a thumbnail', () => {
  test('is at most 480 pixels wide and high, and upright', async () => {
    const made = (await thumbnails.make(makeImage('jpeg', 1_200, 600), 6)) as Uint8Array;
    expect(readPixels(made)).toEqual({ width: 240, height: 480, topLeft: 'red', bottomLeft: 'green', topRight: 'red' });
    expect(readPixels((await thumbnails.make(makeImage('png', 1_200, 600), 8)) as Uint8Array).topLeft).toBe('green');
    expect(readPixels((await thumbnails.make(makeImage('webp', 30, 20), 1)) as Uint8Array).width).toBe(30);
  });

  test('is not made of what no decoder reads, and the next image has one', async () => {
    expect(await thumbnails.make(Buffer.from('\xff\xd8\xffnot an image', 'latin1'), 1)).toBeUndefined();
    expect(await thumbnails.make(makeImage('png'), 1)).toBeDefined();
  });
});
