import { createTestDatabase } from '@aether/database/testing';
import { connectPlatform, type ListPlace, type PlatformDb } from '@aether/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cursorsOf } from './index.ts';

const connect = (url: string, app: 'foundation' | 'support') =>
  connectPlatform({ app, variables: { PLATFORM_DB_URL: url } });
let foundation: PlatformDb;
let support: PlatformDb;
beforeAll(async () => {
  const database = await createTestDatabase();
  foundation = await connect(database.url('foundation_app'), 'foundation');
  support = await connect(database.url('support_app'), 'support');
});
afterAll(() => Promise.all([foundation.close(), support.close()]));

const list = 'people name asc';
const rowsUpTo = (last: ListPlace) => [{ place: last }, { place: last }];
/** A cursor that leads behind a place. */
const sealed = async (place: ListPlace) =>
  (await cursorsOf(foundation).cut(list, rowsUpTo(place), 1)).next_cursor as string;
const refused = { status: 422, code: 'invalid-field', errors: [{ field: 'cursor', in: 'query' }] };

describe('a cursor', () => {
  test.each<[string, ListPlace]>([
    ['a name and an id', ['Ada', '1']],
    ['no value and an id', [null, '1']],
    ['three values', ['2026-01-31 12:00:00.123456', '1', 'infinity']],
    ['the longest name', ['🜁'.repeat(200), 'x'.repeat(36)]],
  ])('of a place with %s leads back to it, also from the other app’s server', async (_, place) => {
    const cursor = await sealed(place);
    expect(await cursorsOf(foundation).open(list, cursor)).toEqual(place);
    expect(await cursorsOf(support).open(list, cursor)).toEqual(place);
  });

  test('shows nothing of its place, and is another one each time', async () => {
    const [one, other] = [await sealed(['Ada', '1']), await sealed(['Ada', '1'])];
    expect(Buffer.from(one, 'base64url').toString('latin1')).not.toContain('Ada');
    expect(one).not.toBe(other);
  });

  test.each<[string, (cursor: string) => string]>([
    ['that is empty', () => ''],
    ['of text by somebody else', () => 'hello'],
    ['that is not base64url', () => '%%%'],
    ['that was cut short', (cursor) => cursor.slice(0, -4)],
    ['with one bit changed', (cursor) => flip(cursor)],
    ['that is too long', () => 'a'.repeat(4_000)],
    ['of a place in plain text', () => Buffer.from('["Ada","1"]').toString('base64url')],
  ])('%s is refused', async (_, forge) => {
    const cursor = await sealed(['Ada', '1']);
    await expect(cursorsOf(foundation).open(list, forge(cursor))).rejects.toMatchObject(refused);
  });

  test('of another list or order is refused', async () => {
    const cursor = await sealed(['Ada', '1']);
    for (const other of ['people name desc', 'companies name asc', 'people name as', ''])
      await expect(cursorsOf(foundation).open(other, cursor)).rejects.toMatchObject(refused);
  });
});

function flip(cursor: string): string {
  const bytes = Buffer.from(cursor, 'base64url');
  bytes[14] = (bytes[14] as number) ^ 1;
  return bytes.toString('base64url');
}

describe('a page', () => {
  const rows = [1, 2, 3].map((n) => ({ n, place: [`${n}`, `${n}`] as ListPlace }));
  const read = (after?: ListPlace) => rows.slice(after ? Number(after[1]) : 0);
  const pageFrom = (cursor?: string, limit = 2) =>
    cursorsOf(foundation).page('numbers', { cursor, limit }, async ({ after, limit }) => read(after).slice(0, limit));

  test('goes on where the one before ended, and the last one says that it is the last', async () => {
    const first = await pageFrom();
    expect(first.page).toEqual([{ n: 1 }, { n: 2 }]);
    expect(await pageFrom(first.next_cursor as string)).toEqual({ page: [{ n: 3 }], next_cursor: null });
  });

  test('that holds all rows has no next one', async () => {
    expect(await pageFrom(undefined, 3)).toMatchObject({ next_cursor: null });
  });
});
