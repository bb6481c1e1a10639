import { to as copyTo } from 'pg-copy-streams';
import type { ImportClient } from './records.ts';

/*
 * Which lines of a source were imported before and have not changed. Such a line is known by its digest before anything is compared: it is
 * unchanged, and matching never sees it. A large file asks for all digests of its sources at once, eight bytes each; a small one asks for its own.
 */

/** A set of digests of lines: open addressing, at most half full. */
export class Digests {
  #slots: BigInt64Array;
  #hasZero = false;
  size = 0;

  constructor(sizeExpected = 0) {
    this.#slots = new BigInt64Array(2 ** Math.ceil(Math.log2(Math.max(sizeExpected * 2, 1 << 10))));
  }

  add(digest: bigint): void {
    if (digest === 0n) {
      this.#hasZero = true;
      return;
    }
    if (this.size * 2 >= this.#slots.length) this.#grow();
    const slot = this.#find(digest);
    if (this.#slots[slot] === digest) return;
    this.#slots[slot] = digest;
    this.size++;
  }

  has(digest: bigint): boolean {
    return digest === 0n ? this.#hasZero : this.#slots[this.#find(digest)] === digest;
  }

  /** The slot of a digest, or the empty one where it belongs. */
  #find(digest: bigint): number {
    const mask = this.#slots.length - 1;
    let slot = Number(BigInt.asUintN(32, digest)) & mask;
    for (let found = this.#slots[slot]; found !== 0n && found !== digest; found = this.#slots[slot])
      slot = (slot + 1) & mask;
    return slot;
  }

  #grow(): void {
    const former = this.#slots;
    this.#slots = new BigInt64Array(former.length * 2);
    for (const digest of former) if (digest !== 0n) this.#slots[this.#find(digest)] = digest;
  }
}

/** What a line is known by; see sync.import_key. */
export type LineKey = { source: string; externalId: string | null; emailKey: string | null; digest: bigint };

/** Which of these lines have not changed since they were imported, by the digest of each. */
export async function askForLines(client: ImportClient, lines: LineKey[]): Promise<Digests> {
  const known = new Digests();
  if (lines.length === 0) return known;
  const { rows } = await client.query<{ digest: string }>(
    `select k.digest from unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) l (source, external_id, email_key, digest)
       join sync.import_keys k on k.source = l.source and k.key = sync.import_key(l.external_id, l.email_key, l.digest)
     where k.digest = l.digest`,
    [
      lines.map(({ source }) => source),
      lines.map(({ externalId }) => externalId),
      lines.map(({ emailKey }) => emailKey),
      lines.map(({ digest }) => String(digest)),
    ],
  );
  for (const { digest } of rows) known.add(BigInt(digest));
  return known;
}

const headBytes = 19;
/** Two for the number of columns, four for the length of the digest, and the digest. */
const rowBytes = 14;

/** The digests of all lines of a source that were imported. @param source a checked name */
export async function loadLines(client: ImportClient, source: string): Promise<Digests> {
  const known = new Digests();
  const stream = client.query(
    copyTo(
      `copy (select k.digest from sync.import_keys k where k.source = '${source.replaceAll("'", "''")}' and k.digest is not null)
       to stdout with (format binary)`,
    ),
  );
  let rest: Buffer = Buffer.alloc(0);
  let skip = headBytes;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    if (skip > 0) {
      if (bytes.length < skip) {
        rest = bytes;
        continue;
      }
      at = skip;
      skip = 0;
    }
    for (; at + rowBytes <= bytes.length; at += rowBytes) known.add(bytes.readBigInt64BE(at + 6));
    rest = Buffer.from(bytes.subarray(at)); // at the end, the two bytes of the trailer
  }
  return known;
}

/** A hash of 64 bits of a text, the same in every run: two lanes that multiply by different primes, mixed at the end. Pure. */
export function digestOf(text: string): bigint {
  let high = 0x9747b28c;
  let low = 0x1b873593;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 0x9e3779b1);
    low = Math.imul(low ^ code, 0x5f356495);
  }
  high = stir(high ^ Math.imul(low, 0x85ebca77));
  low = stir(low ^ Math.imul(high, 0xc2b2ae3d));
  return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low >>> 0));
}

function stir(hash: number): number {
  let stirred = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  stirred = Math.imul(stirred ^ (stirred >>> 13), 0xc2b2ae35);
  return (stirred ^ (stirred >>> 16)) | 0;
}
