import { afterEach, expect, test } from 'vitest';
import { createLog } from '../index.ts';
import { collectLog } from '../testing.ts';

const level = process.env.LOG_LEVEL;
afterEach(() => {
  if (level === undefined) delete process.env.LOG_LEVEL;
  else process.env.LOG_LEVEL = level;
});

test('a log entry names its app and keeps its fields', () => {
  const { log, entries } = collectLog();
  log.info({ customerId: '019a', rows: 3 }, 'imported');
  expect(entries).toEqual([
    expect.objectContaining({ app: 'test', level: 30, customerId: '019a', rows: 3, msg: 'imported' }),
  ]);
});

test.each(['email', 'name', 'phone', 'password', 'token', 'authorization', 'cookie', 'body', 'query', 'url', 'text'])(
  'a log entry hides the field %s, up to three levels down and in child loggers',
  (field) => {
    const { log, entries } = collectLog();
    log.info({ [field]: 'secret', a: { [field]: ['secret'], b: { [field]: { c: 'secret' } } } }, 'entry');
    log.child({ [field]: 'secret' }).info('child');
    const bound = log.child({});
    bound.setBindings({ [field]: 'secret' });
    bound.info('bound');
    log.info({ a: { toJSON: () => ({ [field]: 'secret' }) } }, 'entry');
    expect(entries).toHaveLength(4);
    expect(JSON.stringify(entries)).not.toContain('secret');
  },
);

test('a log entry keeps what is not personal beside what is, and the object that was logged is unchanged', () => {
  const { log, entries } = collectLog();
  const given = { rows: [{ id: 1, email: 'secret' }], at: new Date(0), deep: { of: { three: { levels: 1 } } } };
  log.info(given, 'entry');
  log
    .child({ part: { id: 7, name: 'secret' } })
    .child({ token: 'secret' })
    .info('grandchild');
  expect(entries).toMatchObject([
    { rows: [{ id: 1, email: '[redacted]' }], at: new Date(0).toISOString(), deep: { of: { three: { levels: 1 } } } },
    { part: { id: 7, name: '[redacted]' }, token: '[redacted]' },
  ]);
  expect(given.rows[0]?.email).toBe('secret');
});

test('a logged error keeps names of objects, but no values', () => {
  const { log, entries } = collectLog();
  const driver = Object.assign(new Error('invalid input syntax for type uuid: "Bob"'), {
    code: '22P02',
    table: 'customers',
    constraint: 'customers_pkey',
    detail: 'Key (email)=(bob@example.com) already exists.',
    where: "unnamed portal parameter $1 = 'Bob'",
    parameters: ['Bob'],
  });
  log.error(
    { err: new Error('relation "crm.deals" refused bob@example.com and "Bob Smith"', { cause: driver }) },
    'failed',
  );
  expect(JSON.stringify(entries)).not.toMatch(/bob/i);
  expect(entries[0]?.err).toMatchObject({
    type: 'Error',
    message: 'relation "crm.deals" refused …@… and "…"',
    stack: expect.stringContaining('log.test.ts'),
    cause: {
      code: '22P02',
      table: 'customers',
      constraint: 'customers_pkey',
      message: 'invalid input syntax for type uuid: "…"',
    },
  });
});

test('a logged error keeps no more under another name than `err`, in a list and in a child logger', () => {
  const { log, entries } = collectLog();
  const error = Object.assign(new Error('no route to "Bob Smith"'), { code: 'E', address: 'bob', detail: 'bob' });
  log.warn({ reason: error, all: [error], err: { of: error } }, 'failed');
  log.child({ reason: error }).warn('failed');
  expect(JSON.stringify(entries)).not.toMatch(/bob/i);
  const shown = { type: 'Error', code: 'E', message: 'no route to "…"' };
  expect(entries).toMatchObject([{ reason: shown, all: [shown] }, { reason: shown }]);
});

test('an entry whose value fails to show itself is written', () => {
  const { log, entries } = collectLog();
  const broken = {
    toJSON() {
      throw new Error('broken');
    },
  };
  log.info({ broken, rows: 3 }, 'imported');
  expect(entries).toMatchObject([{ rows: 3, msg: 'imported' }]);
});

test('a circular chain of causes is logged and ends', () => {
  const { log, entries } = collectLog();
  const error = new Error('round');
  error.cause = error;
  log.error({ err: error }, 'failed');
  expect(entries).toHaveLength(1);
});

test('LOG_LEVEL decides which entries are written', () => {
  process.env.LOG_LEVEL = 'warn';
  expect(createLog('test').isLevelEnabled('info')).toBe(false);
  process.env.LOG_LEVEL = 'silent';
  expect(createLog('test').isLevelEnabled('fatal')).toBe(false);
});

test('an unknown LOG_LEVEL is refused with the list of levels', () => {
  process.env.LOG_LEVEL = 'verbose';
  expect(() => createLog('test')).toThrow(
    'LOG_LEVEL is "verbose"; set it to one of trace, debug, info, warn, error, fatal, silent.',
  );
});
