import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { QueryClient } from '@tanstack/react-query';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { catchUp, conversationQuery, joinReading, loadOlder } from './conversation.ts';

const session = (visitor_read_number: number, agent_read_number: number, name = 'fresh') => ({
  visitor_read_number,
  agent_read_number,
  name,
});

test('an answer that is older than a reading mark does not take the mark back', () => {
  expect(joinReading(session(3, 1, 'shown'), session(2, 4))).toEqual(session(3, 4));
  expect(joinReading(undefined, session(2, 4))).toEqual(session(2, 4));
});

describe('a conversation that is being loaded', () => {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const held: { url: string; give: (numbers: number[], messageCount?: number) => void }[] = [];
  const realFetch = globalThis.fetch;
  const server = createServer((request, response) => {
    const give = (numbers: number[], messageCount = numbers.at(-1) ?? 0) => {
      const messages = numbers.map((number) => ({ number, body: `Word ${number}` }));
      const session = {
        ...{ id: 'a', message_count: messageCount },
        visitor_read_number: 0,
        agent_read_number: 0,
      };
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ session, messages, entries: [], viewers: [] }));
    };
    held.push({ url: `${request.url}`, give });
  });
  beforeAll(async () => {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    // A browser completes an address with that of its page.
    globalThis.fetch = (input, init) => realFetch(new URL(String(input), `http://127.0.0.1:${port}`), init);
  });
  afterAll(() => {
    globalThis.fetch = realFetch;
    client.clear();
    server.closeAllConnections();
    server.close();
  });
  const request = async (n: number) => {
    await expect.poll(() => held.length).toBeGreaterThan(n);
    return held[n] as (typeof held)[number];
  };

  test('shows what was written after its answer was made, also when it is loaded again', async () => {
    const loading = client.fetchQuery(conversationQuery('a'));
    const first = await request(0);
    await catchUp(client, 'a'); // an event says that the second message is there
    first.give([1]);
    const second = await request(1);
    expect(second.url).toContain('after=1');
    second.give([2]);
    expect((await loading).messages.map(({ number }) => number)).toEqual([1, 2]);

    const again = client.fetchQuery({ ...conversationQuery('a'), staleTime: 0 });
    const third = await request(2);
    const caught = catchUp(client, 'a');
    (await request(3)).give([3]);
    await caught;
    third.give([1, 2]);
    (await request(4)).give([3]);
    expect((await again).messages.map(({ number }) => number)).toEqual([1, 2, 3]);
    expect(held).toHaveLength(5);
  });

  test('goes on showing the earlier messages that were loaded meanwhile', async () => {
    const before = held.length;
    const query = conversationQuery('c', 105);
    const loading = client.fetchQuery(query);
    (await request(before)).give([6, 7, 105]);
    await loading;
    const again = client.fetchQuery({ ...query, staleTime: 0 });
    const late = await request(before + 1);
    const older = loadOlder(client, 'c');
    (await request(before + 2)).give([1, 2, 3, 4, 5]);
    await older;
    late.give([6, 7, 105]);
    expect((await again).messages.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 105]);
  });

  test('is shown from a later message on if it has so many new ones that those between are not loaded', async () => {
    const before = held.length;
    const query = conversationQuery('d', 105);
    const loading = client.fetchQuery(query);
    (await request(before)).give([6, 105]);
    await loading;
    const again = client.fetchQuery({ ...query, staleTime: 0 });
    const first = await request(before + 1);
    const older = loadOlder(client, 'd');
    (await request(before + 2)).give([1, 5]);
    await older;
    first.give([6, 205], 400);
    (await request(before + 3)).give([301, 400]);
    expect((await again).messages.map(({ number }) => number)).toEqual([301, 400]);
  });

  test('shows what came on a line that went silent: it is asked for on another one', async () => {
    client.setQueryData(conversationQuery('b').queryKey, (await client.fetchQuery(conversationQuery('a'))) as never);
    const shown = () => client.getQueryData(conversationQuery('b').queryKey)?.messages.map(({ number }) => number);
    const before = held.length;
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    const spy = vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => timeout(ms / 100));
    try {
      const caught = catchUp(client, 'b');
      await request(before); // and nothing answers
      (await request(before + 1)).give([4]);
      await caught;
    } finally {
      spy.mockRestore();
    }
    expect(shown()?.at(-1)).toBe(4);
  });
});
