import { expect, test } from 'vitest';
import { findFault, PartFault } from './files.ts';
import { createPart } from './part.ts';

/** A part whose loading the test decides, and a clock and a line that it moves. */
function open() {
  const asked: PromiseWithResolvers<string>[] = [];
  const waits: { ms: number; run: () => void }[] = [];
  const online = new Set<() => void>();
  const part = createPart(
    () => {
      const answer = Promise.withResolvers<string>();
      asked.push(answer);
      return answer.promise;
    },
    {
      after(ms, run) {
        const wait = { ms, run };
        waits.push(wait);
        return () => void (waits.includes(wait) && waits.splice(waits.indexOf(wait), 1));
      },
      whenOnline(run) {
        online.add(run);
        return () => void online.delete(run);
      },
    },
  );
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  return {
    part,
    waits,
    online,
    attempts: () => asked.length,
    async fail() {
      await turn();
      asked.at(-1)?.reject(new PartFault('no line'));
      await turn();
    },
    async arrive() {
      await turn();
      asked.at(-1)?.resolve('the page');
      await turn();
    },
    async pass() {
      const [wait] = waits.splice(0, 1);
      wait?.run();
      await turn();
      return wait?.ms;
    },
    turn,
  };
}

test('a part that fails twice is tried again by itself, later each time, and is there after that', async () => {
  const { part, fail, pass, arrive, attempts } = open();
  part.demand();
  await fail();
  expect(part.getState()).toMatchObject({ is: 'missing', isTrying: false, error: { message: 'no line' } });
  expect(await pass()).toBe(1_000);
  expect(part.getState()).toMatchObject({ is: 'missing', isTrying: true });
  await fail();
  expect(await pass()).toBe(3_000);
  await arrive();
  expect([part.getState(), attempts()]).toEqual([{ is: 'ready', module: 'the page' }, 3]);
});

test('a part that goes on failing is left after five attempts, until the person wants another or the line is back', async () => {
  const { part, fail, pass, online, attempts, waits, turn } = open();
  part.demand();
  for (let n = 0; n < 5; n++) {
    await fail();
    await pass();
  }
  expect([attempts(), waits.length]).toEqual([5, 0]);
  part.retry();
  await fail();
  expect([attempts(), waits.length]).toEqual([6, 1]);
  for (const run of online) run();
  await turn();
  expect([attempts(), waits.length]).toEqual([7, 0]);
});

test('one attempt at a time: a click while another is on its way asks nothing more', async () => {
  const { part, arrive, attempts, turn } = open();
  part.demand();
  part.demand();
  await turn();
  part.retry();
  void part.ahead();
  await turn();
  expect(attempts()).toBe(1);
  await arrive();
  part.retry();
  await turn();
  expect(attempts()).toBe(1);
});

test('a part that is loaded ahead and fails is quiet, and is not tried again before it is needed', async () => {
  const { part, fail, waits, attempts, turn } = open();
  const ahead = part.ahead();
  await fail();
  await ahead;
  expect([part.getState(), waits.length]).toEqual([{ is: 'idle' }, 0]);
  part.demand();
  await turn();
  expect(attempts()).toBe(2);
});

test('a part that is not needed any more is not tried again', async () => {
  const { part, fail, waits, online } = open();
  const release = part.demand();
  await fail();
  release();
  expect([part.getState(), waits.length, online.size]).toEqual([{ is: 'idle' }, 0, 0]);
});

test.each([
  ['a script', 'https://a.example/x.js', 200, 'text/javascript; charset=utf-8', undefined],
  ['styles', 'https://a.example/x.css', 200, 'text/css', undefined],
  ['a file of the build before', 'https://a.example/x.js', 404, 'application/problem+json', true],
  ['a page in place of the file', 'https://a.example/x.js', 200, 'text/html', true],
  ['a server that is busy', 'https://a.example/x.js', 503, 'text/html', false],
  ['a proxy that wants a pause', 'https://a.example/x.css', 429, 'text/plain', false],
] as const)('an answer is judged by status and type: %s', (_, url, status, type, isGone) => {
  const fault = findFault(url, { status, headers: new Headers({ 'content-type': type }) });
  expect(fault?.isGone).toBe(isGone);
});
