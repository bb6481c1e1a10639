import { parentPort } from 'node:worker_threads';
import { PhotonImage, resize, SamplingFilter } from '@cf-wasm/photon/node';
import type { Asked } from './thumbnails.ts';

/*
 * The thread that decodes images. The decoders are WebAssembly: a hostile image reaches the memory of its own instance and nothing else, and one
 * that takes too long ends with the thread.
 */

const jpegQuality = 80;

parentPort?.on('message', ({ bytes, orientation, pixelsMax }: Asked) => {
  parentPort?.postMessage(makeThumbnail(bytes, orientation, pixelsMax));
});

/** A small JPEG, or a PNG of what can be seen through; undefined if the decoder does not know this kind. */
function makeThumbnail(bytes: Uint8Array, orientation: number, sidePixelsMax: number): Uint8Array | undefined {
  try {
    const whole = PhotonImage.new_from_byteslice(bytes);
    const [width, height] = [whole.get_width(), whole.get_height()];
    const scale = Math.min(1, sidePixelsMax / Math.max(width, height));
    const side = (length: number) => Math.max(1, Math.round(length * scale));
    const small = resize(whole, side(width), side(height), SamplingFilter.Triangle);
    whole.free();
    const upright = turn(small.get_raw_pixels(), small.get_width(), small.get_height(), orientation);
    const turned = new PhotonImage(upright.pixels, upright.width, upright.height);
    const isSolid = upright.pixels.every((value, at) => at % 4 !== 3 || value === 255);
    return isSolid ? turned.get_bytes_jpeg(jpegQuality) : turned.get_bytes();
  } catch {
    return undefined;
  }
}

/** The same picture as its Exif says that it is meant. */
function turn(pixels: Uint8Array, width: number, height: number, orientation: number) {
  if (orientation === 1) return { pixels, width, height };
  const isOnSide = orientation >= 5;
  const [toWidth, toHeight] = isOnSide ? [height, width] : [width, height];
  const from = new Uint32Array(pixels.slice().buffer);
  const to = new Uint32Array(from.length);
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  for (let y = 0; y < toHeight; y += 1)
    for (let x = 0; x < toWidth; x += 1) {
      const [across, down] = isOnSide ? [y, x] : [x, y];
      const column = fromRight ? width - 1 - across : across;
      const row = fromBottom ? height - 1 - down : down;
      to[y * toWidth + x] = from[row * width + column] as number;
    }
  return { pixels: new Uint8Array(to.buffer), width: toWidth, height: toHeight };
}
