import { Hono } from 'hono';
import { expect, test } from 'vitest';
import { answerFile } from './answer.ts';
import type { Files, StoredFile } from './files.ts';

const file = { name: 'x.txt', type: 'text/plain', size: 6, sha256: Buffer.alloc(32, 1) } as StoredFile;
let open = 0;
function serve(...parts: string[]) {
  async function* read() {
    open += 1;
    try {
      for (const part of parts) yield Buffer.from(part);
    } finally {
      open -= 1;
    }
  }
  const app = new Hono();
  app.get('/', (c) => answerFile(c as never, { read: async () => read() } as unknown as Files, file, 'whole'));
  return app;
}

test('asking for the head of a file leaves no reader open', async () => {
  const answer = await serve('abc', 'def').request('/', { method: 'HEAD' });
  expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '6', '']);
  expect(open).toBe(0);
});

test('a file whose bytes end early, because its person was erased meanwhile, ends as an error and not as a whole file', async () => {
  expect(await (await serve('abc', 'def').request('/')).text()).toBe('abcdef');
  await expect((await serve('abc').request('/')).text()).rejects.toThrow('ended');
});
