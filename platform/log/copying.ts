import type pg from 'pg';
import { DriverQueryClass, submit } from './driverquery.ts';

const spaceFirst = 2 ** 18;

/**
 * The lines that a COPY … TO STDOUT has sent, as bytes outside of the heap, where they cost the garbage collector nothing while they wait. Use it
 * again with `clear`: the system gives new memory page by page, which takes as long as filling it.
 */
export class Lines {
  #space = Buffer.allocUnsafeSlow(spaceFirst);
  #ends: number[] = [];
  #end = 0;

  get length(): number {
    return this.#ends.length;
  }

  /** @param chunk a line with its end. It is copied, because the driver uses its memory again. */
  add(chunk: Buffer): void {
    const end = this.#end + chunk.length;
    if (end > this.#space.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(end, this.#space.length * 2));
      this.#space.copy(larger, 0, 0, this.#end);
      this.#space = larger;
    }
    chunk.copy(this.#space, this.#end);
    this.#end = end;
    this.#ends.push(end);
  }

  /** A line without its end, for `readFields`; from 0. */
  at(n: number): string {
    return this.#space.toString('utf8', n > 0 ? this.#ends[n - 1] : 0, (this.#ends[n] as number) - 1);
  }

  /** Drops the lines and keeps their space. */
  clear(): this {
    this.#ends = [];
    this.#end = 0;
    return this;
  }
}

/** Collects the lines of COPY … TO STDOUT, each of which comes in a message of its own. */
class CopyQuery extends DriverQueryClass {
  readonly #lines: Lines;

  constructor(text: string, lines: Lines) {
    super({ text });
    this.#lines = lines;
  }

  override handleCopyData({ chunk }: { chunk: Buffer }): void {
    this.#lines.add(chunk);
  }
}

/** Runs COPY … TO STDOUT in text format. It costs the server and the driver less than rows do (docs/benchmarks.md). */
export async function copyLines(client: pg.ClientBase, text: string, into: Lines): Promise<Lines> {
  await submit(client, new CopyQuery(text, into));
  return into;
}

const escapes: Record<string, string> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

/** The values of a line, as texts; null is as it was written for COPY. Pure. */
export function readFields(line: string): string[] {
  const fields = line.split('\t');
  return line.includes('\\') ? fields.map(unescapeField) : fields;
}

const unescapeField = (field: string): string =>
  field.includes('\\') ? field.replace(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter) : field;
