import { readCause } from '@aether/platform';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRoute, z } from '../index.ts';
import { serveApp } from '../testing.ts';
import { continueTrace, traceIdOf } from './trace.ts';

const id = '0af7651916cd43dd8448eb211c80319c';
const span = 'b7ad6b7169203331';

describe('the caller’s traceparent', () => {
  test.each([
    ['of version 00', `00-${id}-${span}-01`, '01'],
    ['that is not sampled', `00-${id}-${span}-00`, '00'],
    ['of a later version, with more fields after it', `cc-${id}-${span}-01-what-comes-later`, '01'],
  ])('%s is continued with a span of this server’s own', (_, given, flags) => {
    const trace = continueTrace(given);
    expect(trace).toMatch(new RegExp(`^00-${id}-[0-9a-f]{16}-${flags}$`));
    expect(trace).not.toContain(span);
  });

  test.each([
    ['is missing', undefined],
    ['is empty', ''],
    ['has no trace id', `00-${'0'.repeat(32)}-${span}-01`],
    ['has no span id', `00-${id}-${'0'.repeat(16)}-01`],
    ['is in capitals', `00-${id.toUpperCase()}-${span}-01`],
    ['has an invalid version', `ff-${id}-${span}-01`],
    ['is of version 00 with more fields after it', `00-${id}-${span}-01-more`],
    ['is too short', `00-${id}-${span}`],
    ['was sent twice', `00-${id}-${span}-01, 00-${id}-${span}-01`],
    ['has another line after it', `00-${id}-${span}-01\nx`],
  ])('that %s is replaced by a new one', (_, given) => {
    expect(continueTrace(given)).not.toContain(id);
  });

  test('of any kind leads to a well-formed one with a new span each time', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constant(`00-${id}-${span}-01`)), (given) => {
        const [one, other] = [continueTrace(given), continueTrace(given)];
        expect(one).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/);
        expect(one).not.toBe(other);
      }),
    );
  });
});

test('handler, answer and every log entry of a request share one trace, even if it fails', async () => {
  const responses = { 200: { description: 'ok', content: { 'application/json': { schema: z.object({}) } } } };
  await using server = await serveApp((app) => {
    app.openapi(createRoute({ method: 'get', path: '/trace', responses }), async (c) => c.json(readCause(), 200));
    app.get('/fails', () => {
      throw new Error('broken');
    });
  });
  const ask = (path: string) => fetch(`${server.url}${path}`, { headers: { traceparent: `00-${id}-${span}-01` } });
  const answer = await ask('/trace');
  const { trace } = (await answer.json()) as { trace: string };
  expect(traceIdOf(trace)).toBe(id);
  expect(answer.headers.get('traceparent')).toBe(trace);

  const failed = await ask('/fails');
  expect(failed.status).toBe(500);
  expect(traceIdOf(failed.headers.get('traceparent') ?? '')).toBe(id);
  const entries = server.entries.filter(({ msg }) => msg === 'request' || msg === 'unexpected error');
  expect(entries.map((entry) => entry.trace)).toEqual([id, id, id]);

  const other = await fetch(`${server.url}/trace`);
  expect(traceIdOf(other.headers.get('traceparent') ?? '')).not.toBe(id);
});
