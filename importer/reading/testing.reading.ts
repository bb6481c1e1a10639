import type { ReadRow } from '../person.ts';
import type { LayoutAnswers } from './layout.ts';
import { type ReadingOptions, readPersons } from './reading.ts';
import { type Recognition, recognise } from './recognition.ts';
import { openSource } from './source.ts';

export type ReadText = { recognition: Recognition; rows: ReadRow[] };

/** Everything that reading makes of some bytes or of a file. */
export async function readAll(
  input: string | Buffer,
  options: Partial<ReadingOptions> & { layoutAnswers?: LayoutAnswers; name?: string } = {},
): Promise<ReadText> {
  const source = await openSource(input, options.name ? { name: options.name } : {});
  const recognition = await recognise(source, options.layoutAnswers);
  const rows: ReadRow[] = [];
  for await (const batch of readPersons(source, { recognition, ...options })) rows.push(...batch);
  return { recognition, rows };
}

export const readText = (text: string, options?: Parameters<typeof readAll>[1]): Promise<ReadText> =>
  readAll(Buffer.from(text), options);

/** The persons among rows; it fails if a row is none. */
export function personsOf(rows: ReadRow[]) {
  return rows.map((row) => {
    if (row.kind !== 'person') throw new Error(`line ${row.line} is ${row.kind}: ${row.reason}`);
    return row.person;
  });
}
