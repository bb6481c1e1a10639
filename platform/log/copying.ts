import type { Duplex } from 'node:stream';
import type pg from 'pg';
import { DriverQueryClass, submit } from './driverquery.ts';
import { type CopyReader, headBytes } from './rows.ts';

const spaceFirst = 2 ** 18;
/** What binary COPY begins with; it stands before the first row, in one message with it. */
const openingBytes = 19;
/** In the place of a row, the last message has a number of columns that is none. */
const endBytes = 2;

/**
 * The rows that a binary COPY … TO STDOUT has sent, as bytes outside of the heap, where they cost the garbage collector nothing while they wait.
 * Use it again with `clear`: the system gives new memory page by page, which takes as long as filling it.
 */
export class CopiedRows {
  bytes = Buffer.allocUnsafeSlow(spaceFirst);
  view = viewOf(this.bytes);
  readonly #bytesMax: number;
  #starts: number[] = [];
  #end = 0;
  #isCut = false;

  /** @param bytesMax rows behind the one that reaches this are dropped, so that a process holds few of them if they are large. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get length(): number {
    return this.#starts.length;
  }

  /** What its rows take. */
  get size(): number {
    return this.#end;
  }

  /** Whether there were more rows than it holds. */
  get isCut(): boolean {
    return this.#isCut;
  }

  /** Where a row begins; from 0. */
  startOf(n: number): number {
    return this.#starts[n] as number;
  }

  /** @param chunk has whole messages of COPY between `start` and `end`. They are copied, because the driver uses its memory again. */
  add(chunk: Buffer, start: number, end: number): void {
    if (this.#isCut) return;
    const offset = this.#end - start;
    let at = start;
    while (at < end) {
      const isFirst = offset + at === 0;
      const row = at + headBytes + (isFirst ? openingBytes : 0);
      const next = at + 1 + chunk.readUInt32BE(at + 1);
      if (next - row > endBytes) {
        this.#isCut = offset + at >= this.#bytesMax;
        if (this.#isCut) break;
        this.#starts.push(offset + row);
      }
      at = next;
    }
    this.#makeRoom(offset + at);
    chunk.copy(this.bytes, this.#end, start, at);
    this.#end = offset + at;
  }

  #makeRoom(end: number): void {
    if (end <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(end, this.bytes.length * 2));
    this.bytes.copy(larger, 0, 0, this.#end);
    this.bytes = larger;
    this.view = viewOf(larger);
  }

  /** Drops the rows and keeps their space. */
  clear(): this {
    this.#starts = [];
    this.#end = 0;
    this.#isCut = false;
    return this;
  }
}

const viewOf = (bytes: Buffer): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** Collects the rows of COPY … TO STDOUT, each of which comes in a message of its own. */
class CopyQuery extends DriverQueryClass implements CopyReader {
  readonly #rows: CopiedRows;
  readonly #cut: () => void;

  constructor(text: string, rows: CopiedRows, cut: () => void) {
    super({ text });
    this.#rows = rows;
    this.#cut = cut;
  }

  readCopied(bytes: Buffer, start: number, end: number): void {
    this.#rows.add(bytes, start, end);
    if (this.#rows.isCut) this.#cut();
  }
}

/**
 * Runs COPY … TO STDOUT in binary format. It costs the server and this process less than rows of a query do (docs/benchmarks.md).
 *
 * When the rows are cut off, the connection is closed, and what was asked for behind them may fail: of large rows the server would send gigabytes
 * that nobody wants. A request to cancel could meet the statement behind it, or come when the connection does something else.
 */
export async function copyRows(client: pg.ClientBase, text: string, into: CopiedRows): Promise<CopiedRows> {
  const { stream } = (client as unknown as { connection: { stream: Duplex } }).connection;
  try {
    await submit(client, new CopyQuery(text, into, () => stream.destroy()));
  } catch (error) {
    if (!into.isCut) throw error;
  }
  return into;
}
