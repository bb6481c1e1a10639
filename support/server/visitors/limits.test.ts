import { atEnd, createTestDatabase } from '@aether/database/testing';
import { collectLog } from '@aether/http/testing';
import { connectPlatform, type PlatformDb } from '@aether/platform';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Limited, type LimitName, openLimits } from './limits.ts';

let db: PlatformDb;
let superuser: { query(sql: string): Promise<{ rows: Record<string, unknown>[] }> };
beforeAll(async () => {
  const database = await createTestDatabase();
  db = await connectPlatform({ app: 'support', variables: { PLATFORM_DB_URL: database.url('support_app') } });
  superuser = await database.connect('postgres');
  atEnd(db.close);
});
beforeEach(() => superuser.query('delete from support.limits'));

const { log, entries } = collectLog();
const open = (variables: Record<string, string> = {}, publicUrl?: string) => {
  const closing = new AbortController();
  atEnd(async () => closing.abort());
  return openLimits(db, {
    variables,
    publicUrl: publicUrl === undefined ? undefined : new URL(publicUrl),
    closing: closing.signal,
    log,
  });
};
const passes = async (limits: ReturnType<typeof open>, name: LimitName, key = 'k') => {
  try {
    await limits.pass([[name, key]]);
    return true;
  } catch (error) {
    if ((error as { status?: number }).status === 429) return false;
    throw error;
  }
};

describe('a limit', () => {
  test('is shared by all processes: two of them allow as much as one', async () => {
    const processes = [open(), open(), open()] as const;
    const answers = [];
    for (let n = 0; n < 24; n += 1)
      answers.push(await passes(processes[n % 3] as (typeof processes)[0], 'opening-address'));
    expect(answers).toEqual([...Array(20).fill(true), ...Array(4).fill(false)]);
  });

  test('allows as many as it says, also of a hundred at once', async () => {
    const [one, other] = [open(), open()];
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, n) => passes(n % 2 ? one : other, 'message-session')),
    );
    expect(answers.filter(Boolean)).toHaveLength(30);
  });

  test('of one key is independent of another key’s and of other limits of the same key', async () => {
    const limits = open();
    for (let n = 0; n < 9; n += 1) await passes(limits, 'opening-email', 'mine');
    expect(await passes(limits, 'opening-email', 'mine')).toBe(false);
    expect(await passes(limits, 'opening-email', 'other')).toBe(true);
    expect(await passes(limits, 'opening-address', 'mine')).toBe(true);
  });

  test('begins again when its time is up, and says how long that takes', async () => {
    const limits = open({ SUPPORT_RATE_FACTOR: '0.01' });
    await limits.pass([['opening-email', 'k']]);
    const refused = limits.pass([['opening-email', 'k']]);
    await expect(refused).rejects.toMatchObject({ headers: { 'Retry-After': expect.stringMatching(/^(599|600)$/) } });
    await superuser.query(`update support.limits set expires_at = now() - interval '1 second'`);
    expect(await passes(open({ SUPPORT_RATE_FACTOR: '0.01' }), 'opening-email')).toBe(true);
  });

  test('that is only checked is not counted, and refuses once it is used up', async () => {
    const limits = open({ SUPPORT_RATE_FACTOR: '0.05' }); // three refusals
    const look = () => limits.pass([], [['refused-address', 'k']]);
    for (let n = 0; n < 3; n += 1) {
      await look();
      await limits.pass([['refused-address', 'k']]);
    }
    await expect(look()).rejects.toMatchObject({ status: 429 });
    await expect(open({ SUPPORT_RATE_FACTOR: '0.05' }).pass([], [['refused-address', 'k']])).rejects.toMatchObject({
      status: 429,
    });
  });

  test('that has refused a flood does not query the database again until its time is up', async () => {
    const limits = open({ SUPPORT_RATE_FACTOR: '0.01' });
    await passes(limits, 'opening-email');
    await passes(limits, 'opening-email');
    const run = vi.spyOn(db, 'run');
    for (let n = 0; n < 50; n += 1) expect(await passes(limits, 'opening-email')).toBe(false);
    expect(run).not.toHaveBeenCalled();
    run.mockRestore();
  });

  test('does not deadlock two requests that count for the same limits in different orders', async () => {
    const limits = open({ SUPPORT_RATE_FACTOR: '1000' });
    const pair: Limited[] = [
      ['opening-widget', 'w'],
      ['opening-email', 'e'],
    ];
    await Promise.all(Array.from({ length: 200 }, (_, n) => limits.pass(n % 2 ? pair : pair.toReversed())));
    const { rows } = await superuser.query('select points from support.limits');
    expect(rows).toEqual([{ points: 200 }, { points: 200 }]);
  });

  test('stores no address in plain text', async () => {
    await passes(open(), 'opening-email', 'ada@post.example');
    const { rows } = await superuser.query(`select encode(key, 'escape') as key from support.limits`);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain('ada');
  });
});

test('the limit counts are unlogged, so they cost no write-ahead log', async () => {
  const { rows } = await superuser.query(`select relpersistence from pg_class where oid = 'support.limits'::regclass`);
  expect(rows).toEqual([{ relpersistence: 'u' }]);
});

describe('a server behind a proxy', () => {
  const env = { incoming: { socket: { remoteAddress: '127.0.0.1' } } } as never;

  test.each(['https://support.example.com', 'http://10.0.0.7:8080'])(
    'that people reach as %s does not start without the number of proxies',
    (publicUrl) => {
      expect(() => open({}, publicUrl)).toThrow(/^PROXY_HOPS must say how many proxies/);
      expect(() => open({ SUPPORT_PROXY_HOPS: '0' }, publicUrl)).toThrow(/PROXY_HOPS must say/);
      expect(() => open({ SUPPORT_PROXY_HOPS: '1.5' }, publicUrl)).toThrow(/whole number/);
      expect(() => open({ SUPPORT_PROXY_HOPS: '1' }, publicUrl)).not.toThrow();
    },
  );

  test('does not need the number if people reach it on this machine', () => {
    expect(() => open({}, 'http://localhost:4200')).not.toThrow();
    expect(open().addressOf(env, undefined)).toBe('127.0.0.1');
  });

  test('logs once that a proxy is not configured, and does not trust its header', () => {
    const limits = open();
    entries.length = 0;
    expect([limits.addressOf(env, '203.0.113.7'), limits.addressOf(env, '203.0.113.8')]).toEqual([
      '127.0.0.1',
      '127.0.0.1',
    ]);
    expect(entries.map(({ msg }) => msg)).toEqual([
      expect.stringMatching(/^Requests carry X-Forwarded-For and PROXY_HOPS is 0/),
    ]);
    expect(JSON.stringify(entries)).not.toContain('203.0.113');
  });

  test('counts a visitor as one whose address comes with a port, as some proxies write it', () => {
    const limits = open({ SUPPORT_PROXY_HOPS: '1' });
    const written = [
      '203.0.113.7',
      '203.0.113.7:50123',
      '[2001:db8:1:2:3::4]:443',
      '[2001:db8:1:2::5]',
      '2001:db8:1:2::6',
    ];
    expect(written.map((address) => limits.addressOf(env, address))).toEqual([
      ...Array(2).fill('203.0.113.7'),
      ...Array(3).fill('2001:db8:1:2'),
    ]);
  });

  test('logs once that a request passed fewer proxies than configured', () => {
    const limits = open({ SUPPORT_PROXY_HOPS: '2' });
    entries.length = 0;
    expect(limits.addressOf(env, '198.51.100.1, 203.0.113.7')).toBe('198.51.100.1');
    expect(entries).toEqual([]);
    for (const header of ['203.0.113.7', undefined]) expect(limits.addressOf(env, header)).toBe('127.0.0.1');
    expect(entries.map(({ msg }) => msg)).toEqual([expect.stringMatching(/fewer than 2 addresses/)]);
  });
});
