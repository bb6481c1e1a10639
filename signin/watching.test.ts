import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { atEnd } from '@aether/database/testing';
import { expect, test, vi } from 'vitest';
import { accessProvider } from './provideraccess.ts';
import { readSignInSettings } from './settings.ts';
import { startTestIssuer } from './testing.ts';
import { watchProvider } from './watching.ts';

type Read = Parameters<Parameters<typeof watchProvider>[0]['report']>[1];

function watch(variables: Record<string, string>) {
  let read: Read = () => undefined;
  const provider = accessProvider(readSignInSettings(variables));
  const report = (_name: string, given: Read) => {
    read = given;
  };
  watchProvider({ report }, provider, { firstMs: 0, everyMs: 0, againMs: 0 });
  return { report: () => read(), untilSays: (part: object) => expect.poll(() => read()).toMatchObject(part) };
}

test('the keys of the identity provider are read although nobody signs in, and each reading is a turn', async () => {
  const { variables } = await startTestIssuer();
  const { report, untilSays } = watch(variables);
  expect(report()).toBeUndefined(); // nothing is known yet, and nothing is said
  await untilSays({ says: { state: 'reachable' } });
  const turns = report()?.turns as number;
  await expect.poll(() => report()?.turns).toBeGreaterThan(turns);
});

test('the keys are read without fetch, whose WebAssembly would stay in memory', async () => {
  const fetching = vi.spyOn(globalThis, 'fetch');
  const { variables } = await startTestIssuer();
  const provider = accessProvider(readSignInSettings(variables));
  await provider.readKeys();
  expect((await provider.signature()).issuer).toBe(variables.SIGNIN_ISSUER);
  expect(fetching).not.toHaveBeenCalled();
  fetching.mockRestore();
});

test('a provider that does not answer is unreachable, keeps the turns that it had, and is reachable when it answers', async () => {
  let isOut = false;
  const { url, variables } = await startTestIssuer();
  const front = createServer(async (request, response) => {
    if (isOut) return void request.socket.destroy();
    const text = await (await fetch(`${url}${request.url}`)).text();
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(text.replaceAll(url, frontUrl));
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  const frontUrl = `http://127.0.0.1:${(front.address() as AddressInfo).port}`;
  atEnd(async () => void front.close());
  const { report, untilSays } = watch(
    Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value.replaceAll(url, frontUrl)])),
  );
  await untilSays({ says: { state: 'reachable' } });
  isOut = true;
  await untilSays({ says: { state: 'unreachable', error: expect.stringMatching(/^\w+$/) } });
  const { turns } = report() ?? {};
  expect(report()).toMatchObject({ says: { state: 'unreachable' }, turns });
  isOut = false;
  await untilSays({ says: { state: 'reachable' } });
});
