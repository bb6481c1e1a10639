import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test, vi } from 'vitest';
import { read, send } from './request.ts';

test('an answer that stops in the middle is one that did not come, in words', async () => {
  const server = createServer((_request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.write('{"a":');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  const spy = vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout(ms / 200));
  try {
    const { port } = server.address() as AddressInfo;
    await expect(read(send(`http://127.0.0.1:${port}/`) as never)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('Check the connection'),
    });
  } finally {
    spy.mockRestore();
    server.closeAllConnections();
    server.close();
  }
});
