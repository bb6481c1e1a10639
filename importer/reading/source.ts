import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { makeCopyFolder } from './copies.ts';
import { SourceRefused } from './refusal.ts';

/** Bytes that can be read several times: a file, a copy of a stream, or bytes in memory. */
export type ByteSource = {
  kind: 'bytes';
  /** A file's name without its folder. */
  name: string;
  size: number;
  /** Where the bytes are, for readers that jump within a file. */
  place: { path: string } | { bytes: Buffer };
  /** All bytes, in parts. A part is valid until the next one is asked for: its memory is used again. */
  read(): AsyncIterable<Buffer>;
  /** SHA-256 in hexadecimal of all bytes. */
  hash(): Promise<string>;
  /** Removes the copy of a stream. A file stays. */
  close(): Promise<void>;
};

/** What a query of another database returns. */
export type QuerySource = {
  kind: 'query';
  /** Host and database, without login and password. */
  name: string;
  url: string;
  query: string;
  close(): Promise<void>;
};

export type Source = ByteSource | QuerySource;

/** Larger parts make larger strings, which the collector of new objects does not take. */
const chunkBytes = 64 * 1024;

/**
 * Opens what an import reads.
 *
 * @param input the path of a file; bytes; a stream, which is copied to a temporary file because a source is read more than once
 * @throws SourceRefused if the file is not there or has no bytes
 */
export async function openSource(
  input: string | Buffer | Readable,
  { name }: { name?: string } = {},
): Promise<ByteSource> {
  if (Buffer.isBuffer(input)) return bytesSource(input, name ?? 'bytes');
  if (typeof input === 'string') return fileSource(input, name ?? basename(input), async () => {});
  const { path: folder, remove } = await makeCopyFolder();
  try {
    const path = join(folder, 'source');
    await pipeline(input, createWriteStream(path, { mode: 0o600 }));
    return await fileSource(path, name ?? 'stream', remove);
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Opens the result of a query. Nothing is connected before it is read. */
export function openQuery(url: string, query: string): QuerySource {
  const parsed = URL.parse(url);
  if (!parsed || !/^postgres(ql)?:$/.test(parsed.protocol))
    throw new SourceRefused('no-connection', 'A database is given as postgres://login@host/database.');
  const name = `${parsed.host}${parsed.pathname}`;
  return { kind: 'query', name, url, query, close: async () => {} };
}

async function fileSource(path: string, name: string, close: () => Promise<void>): Promise<ByteSource> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new SourceRefused('empty', `${path} cannot be opened (${error.code}).`);
  });
  if (!found.isFile()) throw new SourceRefused('empty', `${path} is not a file.`);
  const read = () => readFile(path);
  return { kind: 'bytes', name, size: found.size, place: { path }, read, hash: () => hashOf(read()), close };
}

/** The parts of a file in one piece of memory, which a stream would allocate for each part. */
async function* readFile(path: string): AsyncGenerator<Buffer> {
  const file = await open(path);
  try {
    const memory = Buffer.allocUnsafeSlow(chunkBytes);
    for (;;) {
      const { bytesRead } = await file.read(memory, 0, chunkBytes);
      if (bytesRead === 0) return;
      yield memory.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function bytesSource(bytes: Buffer, name: string): ByteSource {
  async function* read() {
    for (let at = 0; at < bytes.length; at += chunkBytes) yield bytes.subarray(at, at + chunkBytes);
  }
  const close = async () => {};
  return { kind: 'bytes', name, size: bytes.length, place: { bytes }, read, hash: () => hashOf(read()), close };
}

async function hashOf(chunks: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of chunks) hash.update(chunk);
  return hash.digest('hex');
}

/** The first bytes of a source, at most `bytesMax`. */
export async function readHead(source: ByteSource, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of source.read()) {
    chunks.push(Buffer.from(chunk));
    length += chunk.length;
    if (length >= bytesMax) break;
  }
  return Buffer.concat(chunks).subarray(0, bytesMax);
}
