import type { ReadRow } from '../person.ts';
import { formatOf } from './formats.ts';
import { headingKey } from './headings.ts';
import { readRows } from './layout.ts';
import { type LeftOut, leftOutCounter } from './leftout.ts';
import { type Mapping, requireMapping } from './mapping.ts';
import { type Answers, type Companions, personReader } from './persons.ts';
import type { Recognition } from './recognition.ts';
import type { Source } from './source.ts';

export type ReadingProgress = {
  rows: number;
  /** Read so far, of all; 0 of a query, whose length nobody knows. */
  bytes: number;
  bytesTotal: number;
  rowsPerSecond: number;
  /** null: not known. */
  secondsLeft: number | null;
};

export type ReadingOptions = {
  recognition: Recognition;
  /** Instead of the proposed meaning of columns, by their names. Columns that it does not name keep the proposal. */
  mapping?: Mapping;
  answers?: Answers;
  /** Of telephone numbers without + and their country, such as DE. */
  phoneCountry?: string | undefined;
  companions?: Companions | undefined;
  /** Gets how many rows say something in each column that means nothing. */
  leftOut?: LeftOut;
  /** Called about twice a second. */
  onProgress?: (progress: ReadingProgress) => void;
  signal?: AbortSignal;
};

const progressEveryMs = 500;

/**
 * Reads a source row by row, in batches of some hundreds. Every row of the source is in exactly one of them: as a person, rejected or excluded.
 * Memory does not grow with the source.
 *
 * Texts are parts of larger texts: keep one for long only as a copy, or it keeps a quarter of a megabyte alive.
 *
 * @throws SourceRefused if the mapping does not fit, or the source can no longer be read
 */
export async function* readPersons(source: Source, options: ReadingOptions): AsyncGenerator<ReadRow[]> {
  const { recognition, onProgress, signal } = options;
  const { columns, layout } = recognition;
  const mapping = options.mapping ?? {};
  requireMapping(
    mapping,
    columns.map(({ name }) => name),
  );
  const mapped = columns.map(({ name, heading, field }) => ({
    name,
    key: headingKey(heading),
    field: mapping[name] === undefined ? field : mapping[name],
  }));
  const rules = formatOf(recognition.format)?.rules ?? {};
  const countLeftOut = options.leftOut && leftOutCounter(mapped, rules, options.leftOut);
  const { companyDomainOf } = await import('./hosts.ts');
  const read = personReader({
    columns: mapped,
    rules,
    answers: { ...options.answers, dayOrder: { ...recognition.dayOrder, ...options.answers?.dayOrder } },
    phoneCountry: options.phoneCountry,
    companions: options.companions,
    companyDomainOf,
  });
  const bytesTotal = source.kind === 'bytes' ? source.size : 0;
  const startedAt = performance.now();
  let toldAt = startedAt;
  let count = 0;
  for await (const { rows, bytes } of readRows(source, layout)) {
    signal?.throwIfAborted();
    countLeftOut?.(rows);
    yield rows.map(read);
    count += rows.length;
    const now = performance.now();
    if (!onProgress || now - toldAt < progressEveryMs) continue;
    toldAt = now;
    const elapsed = (now - startedAt) / 1_000;
    onProgress({
      rows: count,
      bytes,
      bytesTotal,
      rowsPerSecond: Math.round(count / elapsed),
      secondsLeft: bytes > 0 ? Math.round((elapsed * (bytesTotal - bytes)) / bytes) : null,
    });
  }
}

/** Counts the rows of a source behind its header. @throws SourceRefused if the source can no longer be read */
export async function countRows(
  source: Source,
  { layout }: Recognition,
  {
    onProgress,
    signal,
  }: { onProgress?: (progress: { rows: number; share: number }) => void; signal?: AbortSignal } = {},
): Promise<number> {
  const bytesTotal = source.kind === 'bytes' ? source.size : 0;
  let [count, toldAt] = [0, performance.now()];
  for await (const { rows, bytes } of readRows(source, layout)) {
    signal?.throwIfAborted();
    count += rows.length;
    const now = performance.now();
    if (now - toldAt < progressEveryMs) continue;
    toldAt = now;
    onProgress?.({ rows: count, share: bytesTotal > 0 ? bytes / bytesTotal : 0 });
  }
  return count;
}
