import type { Readable } from 'node:stream';
import type { Entry, ZipFile } from 'yauzl';
import { SourceRefused } from '../refusal.ts';
import type { ByteSource } from '../source.ts';

/** The parts of a workbook: a zip of XML. */
export type Parts = {
  has(name: string): boolean;
  read(name: string): Promise<Readable>;
  close(): void;
};

const entriesMax = 10_000;
/** Spreadsheets shrink to a tenth. What shrinks to less than a two-hundredth is made to fill a disk. */
const ratioMax = 200;
const harmlessBytes = 50 * 1024 * 1024;

/** @throws SourceRefused if it is no zip, or one that unpacks to far more than a spreadsheet would */
export async function openParts(source: ByteSource): Promise<Parts> {
  const options = { lazyEntries: true, autoClose: false, validateEntrySizes: true };
  const { fromBufferPromise, openPromise } = await import('yauzl');
  const zip = await ('path' in source.place
    ? openPromise(source.place.path, options)
    : fromBufferPromise(source.place.bytes, options)
  ).catch((error: Error) => {
    throw new SourceRefused('damaged', `${source.name} is a damaged workbook (${error.message}).`);
  });
  try {
    const entries = await readEntries(zip);
    return {
      has: (name) => entries.has(name.toLowerCase()),
      read: (name) => readEntry(zip, entries.get(name.toLowerCase()), name),
      close: () => zip.close(),
    };
  } catch (error) {
    zip.close();
    throw error;
  }
}

function readEntries(zip: ZipFile): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  if (zip.entryCount > entriesMax) throw new SourceRefused('too-large', `The workbook has ${zip.entryCount} parts.`);
  return new Promise((resolve, reject) => {
    zip.on('entry', (entry: Entry) => {
      const { uncompressedSize, compressedSize } = entry;
      if (uncompressedSize > harmlessBytes && uncompressedSize > compressedSize * ratioMax)
        reject(
          new SourceRefused(
            'too-large',
            `${entry.fileName} of the workbook unpacks to ${ratioMax} times its size and more.`,
          ),
        );
      if (entry.isEncrypted())
        reject(new SourceRefused('encrypted', 'The workbook has a password. Save it without one.'));
      entries.set(entry.fileName.replace(/^\/+/, '').toLowerCase(), entry);
      zip.readEntry();
    });
    zip.on('end', () => resolve(entries));
    zip.on('error', (error: Error) => reject(damaged(error)));
    zip.readEntry();
  });
}

async function readEntry(zip: ZipFile, entry: Entry | undefined, name: string): Promise<Readable> {
  if (!entry) throw new SourceRefused('damaged', `The workbook has no ${name}.`);
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error) reject(damaged(error));
      else resolve(stream);
    });
  });
}

export const damaged = (error: Error): SourceRefused =>
  error instanceof SourceRefused ? error : new SourceRefused('damaged', `The workbook is damaged (${error.message}).`);
