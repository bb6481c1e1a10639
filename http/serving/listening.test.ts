import { describe, expect, test } from 'vitest';
import { readListening, readPlace, readProxyHops, type Variables } from './listening.ts';

const read = (variables: Variables, publicUrl?: string) =>
  readListening('foundation', variables, publicUrl === undefined ? undefined : new URL(publicUrl));
const behindProxy = { LISTEN_HOST: '0.0.0.0', PROXY_HOPS: '1' };

describe('a server listens', () => {
  test('on loopback unless it is told otherwise, also under a public name', () => {
    expect(read({})).toEqual({ port: undefined, host: '127.0.0.1' });
    expect(read({ PORT: '8080' }, 'https://crm.example.com')).toEqual({ port: 8080, host: '127.0.0.1' });
    for (const host of ['::1', 'localhost', '127.0.0.2']) expect(read({ LISTEN_HOST: host })).toMatchObject({ host });
  });

  test('at its own port before that of the environment', () => {
    expect(read({ FOUNDATION_PORT: '4101', PORT: '8080' }).port).toBe(4101);
    expect(read({ SUPPORT_PORT: '4201', PORT: '8080' }).port).toBe(8080);
  });

  test.each(['0.0.0.0', '::', '10.1.2.3'])('at %s, behind a proxy and under a public name', (host) => {
    expect(read({ ...behindProxy, LISTEN_HOST: host, PORT: '8080' }, 'https://crm.example.com')).toEqual({
      port: 8080,
      host,
    });
  });

  test('in a container on this machine, which no proxy is in front of, if it is said so', () => {
    expect(read({ LISTEN_HOST: '0.0.0.0', PROXY_HOPS: '0' }, 'http://localhost:4100')).toMatchObject({
      host: '0.0.0.0',
    });
  });
});

describe('a server that other machines can reach is refused', () => {
  test.each<[string, Variables, string | undefined, RegExp]>([
    ['without a public name', behindProxy, undefined, /FOUNDATION_PUBLIC_URL must say by which address people come/],
    ['under a public name without TLS', behindProxy, 'http://crm.example.com', /would go without TLS/],
    [
      'without the number of proxies',
      { LISTEN_HOST: '::' },
      'https://crm.example.com',
      /^LISTEN_HOST is ::.*PROXY_HOPS must say/,
    ],
    ['without it on this machine too', { LISTEN_HOST: '0.0.0.0' }, 'http://localhost:4100', /PROXY_HOPS must say/],
    [
      'with no proxy and another name',
      { LISTEN_HOST: '0.0.0.0', PROXY_HOPS: '0' },
      'https://crm.example.com',
      /at least 1/,
    ],
    [
      'at a name',
      { ...behindProxy, LISTEN_HOST: 'db.example.com' },
      'https://crm.example.com',
      /must be an address of this machine/,
    ],
    [
      'at a port that is none',
      { ...behindProxy, PORT: '80a' },
      'https://crm.example.com',
      /^PORT must be a port number/,
    ],
    [
      'at a port beyond all',
      { ...behindProxy, FOUNDATION_PORT: '65536' },
      'https://crm.example.com',
      /^FOUNDATION_PORT must be/,
    ],
    [
      'with half a proxy',
      { LISTEN_HOST: '::', PROXY_HOPS: '1.5' },
      'https://crm.example.com',
      /^PROXY_HOPS must be a whole number/,
    ],
  ])('%s', (_, variables, publicUrl, words) => {
    expect(() => read(variables, publicUrl)).toThrow(words);
  });
});

test('the number of proxies of one app goes before that of all', () => {
  expect(readProxyHops('support', { SUPPORT_PROXY_HOPS: '2', PROXY_HOPS: '1' })).toBe(2);
  expect(readProxyHops('support', { PROXY_HOPS: '1' })).toBe(1);
  expect(readProxyHops('support', {})).toBeUndefined();
  expect(() => readProxyHops('support', { SUPPORT_PROXY_HOPS: '-1' })).toThrow(/^SUPPORT_PROXY_HOPS must be/);
});

test('the worker answers probes anywhere, because they tell nothing of people; a wrong place is refused', () => {
  expect(readPlace('SYNC_PORT', { PORT: '8080', LISTEN_HOST: '0.0.0.0' })).toEqual({ port: 8080, host: '0.0.0.0' });
  expect(readPlace('SYNC_PORT', { SYNC_PORT: '1', PORT: '2' })).toEqual({ port: 1, host: '127.0.0.1' });
  expect(readPlace('SYNC_PORT', {})).toEqual({ port: undefined, host: '127.0.0.1' });
  expect(() => readPlace('SYNC_PORT', { LISTEN_HOST: 'everywhere' })).toThrow(/LISTEN_HOST is everywhere/);
  expect(() => readPlace('SYNC_PORT', { SYNC_PORT: 'x' })).toThrow(/^SYNC_PORT must be a port number/);
});
