import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readPages } from './pages.ts';

const readRouter = (app: string) =>
  readPages(readFileSync(join(import.meta.dirname, '..', app, 'web', 'router.tsx'), 'utf8'));

test('the pages of a web app are the paths that its router names', () => {
  expect(readRouter('foundation')).toEqual(
    expect.arrayContaining(['/', '/customers', '/customers/$id', '/settings/users']),
  );
  // Routes without a path of their own hold others.
  expect(readRouter('support')).toEqual(
    expect.arrayContaining(['/', '/inbox', '/sessions/$id', '/settings/widgets/$id']),
  );
});

test('a route whose path is not written out stops the build, because its page would be a 404 after a reload', () => {
  expect(
    readPages(`createRoute({ ...route('/a') }), createRoute({ id: 'frame' }), createRoute({ path: '/b/$id' })`),
  ).toEqual(['/a', '/b/$id']);
  expect(() => readPages('createRoute({ ...route(paths.deals) })')).toThrow(/no literal path/);
});
