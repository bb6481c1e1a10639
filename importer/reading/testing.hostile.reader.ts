// Reads each file of a folder in a process of its own, which a test gives little memory, and prints what came of it.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { readPersons } from './reading.ts';
import { recognise } from './recognition.ts';
import { SourceRefused } from './refusal.ts';
import { openSource } from './source.ts';

type Result = {
  refusal?: string;
  message?: string;
  persons: number;
  rejected: number;
  excluded: number;
  codes: string[];
};

async function read(path: string): Promise<Result> {
  const result: Result = { persons: 0, rejected: 0, excluded: 0, codes: [] };
  try {
    const source = await openSource(path);
    const recognition = await recognise(source);
    for await (const rows of readPersons(source, { recognition }))
      for (const row of rows) {
        if (row.kind === 'person') result.persons += 1;
        else result[row.kind] += 1;
        if (row.kind === 'rejected' && !result.codes.includes(row.code)) result.codes.push(row.code);
      }
  } catch (error) {
    if (!(error instanceof SourceRefused)) throw error;
    result.refusal = error.code;
    result.message = error.message;
  }
  return result;
}

const [folder = '.'] = process.argv.slice(2);
const results: Record<string, Result> = {};
for (const name of readdirSync(folder)) results[name] = await read(join(folder, name));
console.log(JSON.stringify({ results, rssMiB: Math.round(process.resourceUsage().maxRSS / 1024) }));
