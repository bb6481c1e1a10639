import { PhotonImage } from '@cf-wasm/photon/node';

/* Images and uploads for tests. */

const corners = { left: [255, 0, 0], right: [0, 255, 0] } as const;

/** An image whose left half is red and whose right half is green. */
export function makeImage(kind: 'jpeg' | 'png' | 'webp', width = 60, height = 40): Buffer {
  const pixels = new Uint8Array(width * height * 4).fill(255);
  for (let at = 0; at < width * height; at += 1)
    pixels.set(at % width < width / 2 ? corners.left : corners.right, at * 4);
  const image = new PhotonImage(pixels, width, height);
  const bytes = {
    jpeg: () => image.get_bytes_jpeg(90),
    png: () => image.get_bytes(),
    webp: () => image.get_bytes_webp(),
  };
  return Buffer.from(bytes[kind]());
}

/** The colours at the corners of an image, as a decoder shows them, and its size. */
export function readPixels(bytes: Uint8Array) {
  const image = PhotonImage.new_from_byteslice(bytes);
  const [width, height] = [image.get_width(), image.get_height()];
  const pixels = image.get_raw_pixels();
  const at = (x: number, y: number) => {
    const [red = 0, green = 0] = pixels.subarray((y * width + x) * 4);
    return red > 128 ? 'red' : green > 128 ? 'green' : 'other';
  };
  return { width, height, topLeft: at(0, 0), bottomLeft: at(0, height - 1), topRight: at(width - 1, 0) };
}

/** A photo as a phone makes it: it lies on its side, tells where it was taken, and has a film behind its end. */
export function makePhoto(secret: string, orientation = 6): Buffer {
  const jpeg = makeImage('jpeg');
  const tiff = Buffer.from('4d4d002a000000080001011200030000000100000000000000', 'hex');
  tiff.writeUInt16BE(orientation, 18);
  const content = Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff, Buffer.from(`GPS ${secret}`)]);
  const head = Buffer.from([0xff, 0xe1, 0, 0]);
  head.writeUInt16BE(content.length + 2, 2);
  return Buffer.concat([jpeg.subarray(0, 2), head, content, jpeg.subarray(2), Buffer.from(`film ${secret}`)]);
}

/** A PNG of a few bytes that says to have so many pixels. */
export function makeBomb(width: number, height: number): Buffer {
  const image = Buffer.from(makeImage('png', 2, 2));
  image.writeUInt32BE(width, 16);
  image.writeUInt32BE(height, 20);
  return image;
}

/** The bytes of an archive as Office writes it, as far as recognising needs it. */
export function makeDocument(...names: string[]): Buffer {
  return Buffer.concat(
    names.map((name) => {
      const head = Buffer.alloc(30);
      head.write('PK\x03\x04', 'latin1');
      head.writeUInt16LE(name.length, 26);
      return Buffer.concat([head, Buffer.from(name), Buffer.from('content')]);
    }),
  );
}

type Sent = { status: number; body: { id: string; code?: string; [member: string]: unknown } };

/** Uploads a file in parts as a client does. @returns the answer that ended it: of complete, or the first refusal. */
export async function upload(
  base: string,
  headers: Record<string, string>,
  { bytes, name, clientId = crypto.randomUUID() }: { bytes: Uint8Array; name: string; clientId?: string },
): Promise<Sent> {
  const post = async (path: string, body: object | Uint8Array): Promise<Sent> => {
    const isBytes = body instanceof Uint8Array;
    const answer = await fetch(base + path, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': isBytes ? 'application/octet-stream' : 'application/json' },
      body: isBytes ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : {} };
  };
  const begun = await post('', { client_id: clientId, name, size: bytes.length });
  if (begun.status !== 200) return begun;
  const { id, chunk_bytes, missing } = begun.body as unknown as { id: string; chunk_bytes: number; missing: number[] };
  for (const place of missing) {
    const part = await post(`/${id}/parts/${place}`, bytes.subarray(place * chunk_bytes, (place + 1) * chunk_bytes));
    if (part.status !== 204) return part;
  }
  return post(`/${id}/complete`, {});
}
