import { describe, expect, test } from 'vitest';
import { createSeen } from './seen.ts';

const answer = (place?: string, ok = true) => ({ ok, headers: new Headers(place ? { 'Aether-Seen': place } : {}) });
const aged = (seconds?: number) => ({ ok: true, headers: new Headers(seconds ? { 'Aether-Age': `${seconds}` } : {}) });

test('a page sends back the farthest place that an answer has named, whatever order the answers come in', () => {
  const seen = createSeen();
  expect(seen.begin().header).toBeUndefined();
  const [first, second] = [seen.begin(), seen.begin()];
  second.hear(answer('1/0'));
  first.hear(answer('0/FFFFFFFF'));
  expect(seen.begin().header).toBe('1/0');
  seen.begin().hear(answer());
  seen.begin().hear(answer('not a place'));
  expect(seen.begin().header).toBe('1/0');
});

test('a page that the stream has told of a change asks for the present until an answer that was asked for later is there', () => {
  const seen = createSeen();
  const early = seen.begin();
  seen.tell();
  early.hear(answer('0/10'));
  const late = seen.begin();
  expect(late.header).toBe('now');
  for (const other of [answer(undefined, false), answer('0/18', false), answer()]) seen.begin().hear(other);
  expect(seen.begin().header).toBe('now');
  late.hear(answer('0/20'));
  expect(seen.begin().header).toBe('0/20');
  seen.begin().hear(answer('now'));
  expect(seen.begin().header).toBe('now');
});

test('a place is forgotten when no replica can be older, so that the place of a former primary is not asked for ever', () => {
  let time = 0;
  const seen = createSeen(() => time);
  seen.begin().hear(answer('5/0'));
  time = 61_000;
  expect(seen.begin().header).toBeUndefined();
  seen.begin().hear(answer('1/0'));
  expect(seen.begin().header).toBe('1/0');
});

test('a page says how old the oldest of what it shows is, until that is loaded again, and says nothing of what another page has loaded', () => {
  const seen = createSeen();
  let told = 0;
  seen.subscribe(() => {
    told += 1;
  });
  seen.begin('/customers', '/api/customers').hear(aged(3));
  seen.begin('/customers', '/api/users').hear(aged());
  expect([seen.ageOf('/customers'), seen.ageOf('/deals'), told]).toEqual([3, 0, 1]);
  seen.begin('/customers', '/api/tiers').hear(aged(4));
  expect(seen.ageOf('/customers')).toBe(4);
  seen.begin('/customers', '/api/tiers').hear(aged());
  seen.begin('/customers', '/api/customers').hear(aged());
  expect([seen.ageOf('/customers'), told]).toEqual([0, 4]);
});

describe('a page that is loaded again, or opened in another tab,', () => {
  const store = new Map<string, string>();
  const storage = {
    getItem: (key: string) => store.get(key) ?? null,
    setItem: (key: string, text: string) => void store.set(key, text),
  };
  let time = 1_000_000;
  const open = () => createSeen(() => time, storage);

  test('sends back what the pages of its browser have been shown, until no replica can be older', () => {
    const first = open();
    first.begin().hear(answer('1/0'));
    const second = open();
    expect(second.begin().header).toBe('1/0');
    second.begin().hear(answer('0/10'));
    expect(first.begin().header).toBe('1/0');
    second.begin().hear(answer('2/0'));
    expect(first.begin().header).toBe('2/0');
    time += 61_000;
    expect(open().begin().header).toBeUndefined();
  });

  test('asks for nothing if what is kept is none, or nothing may be kept', () => {
    store.set('aether-seen', 'nonsense');
    expect(open().begin().header).toBeUndefined();
    const refuse = () => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    };
    const barred = createSeen(() => time, { getItem: refuse, setItem: refuse });
    barred.begin().hear(answer('1/0'));
    expect(barred.begin().header).toBe('1/0');
  });
});
