import { Worker } from 'node:worker_threads';

export type Asked = { bytes: Uint8Array; orientation: number; pixelsMax: number };

/** The longer side of a thumbnail: twice of what a page shows, for dense screens. */
export const thumbnailPixelsMax = 480;
const decodeWithinMs = 10_000;
/** A thread that has nothing to do gives its memory back. */
const idleMs = 5_000;

export type Thumbnails = ReturnType<typeof openThumbnails>;

/** Makes thumbnails, one at a time in this process, so that many images at once take no more memory than one. */
export function openThumbnails() {
  let worker: Worker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let settle: (made?: Uint8Array) => void = () => {};

  function end(): void {
    void worker?.terminate();
    worker = undefined;
  }

  function begin(): Worker {
    const thread = new Worker(new URL('./thread.ts', import.meta.url));
    // What a thread says after its limit is of another image than the one that is asked for now.
    thread.on('message', (made: Uint8Array | undefined) => thread === worker && settle(made));
    thread.on('error', () => thread === worker && settle());
    thread.on('exit', () => thread === worker && settle());
    return thread;
  }

  function decode(asked: Asked): Promise<Uint8Array | undefined> {
    clearTimeout(idle);
    worker ??= begin();
    const thread = worker;
    return new Promise<Uint8Array | undefined>((resolve) => {
      const limit = setTimeout(() => settle(), decodeWithinMs);
      settle = (made) => {
        clearTimeout(limit);
        settle = () => {};
        resolve(made);
        if (!made)
          end(); // an instance of WebAssembly that has failed is not used again
        else idle = setTimeout(end, idleMs).unref();
      };
      thread.postMessage(asked);
    });
  }

  return {
    /** @returns undefined for an image that cannot be decoded, or not in ten seconds. */
    make(bytes: Uint8Array, orientation: number): Promise<Uint8Array | undefined> {
      const made = last.then(() => decode({ bytes, orientation, pixelsMax: thumbnailPixelsMax }));
      last = made.catch(() => {});
      return made;
    },
    close(): void {
      clearTimeout(idle);
      end();
    },
  };
}
