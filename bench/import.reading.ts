import { Readable } from 'node:stream';
import { type ByteSource, openSource, readPersons, recognise } from '@aether/importer';

/** How fast a list is read and canonicalised, and how much memory that takes. */
export type ReadingSpeed = {
  rows: number;
  persons: number;
  rowsPerSecond: number;
  recogniseMs: number;
  rssMiB: number;
};

/**
 * Reads a CSV of six columns: id, name, address, telephone number, company, time of creation. All values of a row are its own, so that nothing is
 * known from an earlier row.
 */
export async function measureReading({ rows }: { rows: number }): Promise<ReadingSpeed> {
  const source = await openSource(Readable.from(writeList(rows)), { name: 'list.csv' });
  try {
    return await measureSource(source, rows);
  } finally {
    await source.close();
  }
}

async function measureSource(source: ByteSource, rows: number): Promise<ReadingSpeed> {
  const recogniseStart = performance.now();
  const recognition = await recognise(source);
  const start = performance.now();
  let persons = 0;
  for await (const batch of readPersons(source, { recognition, phoneCountry: 'DE' }))
    for (const row of batch) if (row.kind === 'person') persons += 1;
  const elapsed = performance.now() - start;
  return {
    rows,
    persons,
    rowsPerSecond: Math.round((rows / elapsed) * 1_000),
    recogniseMs: Math.round(start - recogniseStart),
    rssMiB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

function* writeList(rows: number): Generator<string> {
  yield 'id,name,email,phone,company,created_at\n';
  let text = '';
  for (let row = 0; row < rows; row += 1) {
    const phone = 1_000_000 + ((row * 7_919) % 8_999_999);
    const email = `person.${row}@host${row % 5_000}.example.com`;
    const createdAt = `2023-0${1 + (row % 9)}-1${row % 10}T08:30:00Z`;
    text += `C-${row},Person ${row},${email},+49 30 ${phone},Company ${row % 20_000},${createdAt}\n`;
    if (row % 1_000 !== 999) continue;
    yield text;
    text = '';
  }
  yield text;
}
