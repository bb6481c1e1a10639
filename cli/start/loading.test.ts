import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const load = async (...given: string[]): Promise<string[]> => {
  const script = join(import.meta.dirname, 'testing.loading.mjs');
  return JSON.parse((await promisify(execFile)(process.execPath, [script, ...given])).stdout);
};

test('the servers are loaded without a format of Intl, which would read the data of all languages, and without packages that few need', async () => {
  expect(await load()).toEqual([]);
  expect(await load('bad')).toEqual(['Number.toLocaleString', 'Intl.ListFormat', 'tldts']);
});
