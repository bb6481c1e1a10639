import { expect, test } from 'vitest';
import { rowOf, toEvent } from './events.ts';

test('an event is a plain object: it equals a literal, and goes where only plain objects go', () => {
  const event = toEvent(
    rowOf([7, 8, 'support.read', 'key', null, 'row', null, 'support', null, '{"n": 1}', '{}', null, 1_000, 100]),
    true,
  );
  expect(event).toStrictEqual({
    position: 7,
    id: 8,
    type: 'support.read',
    key: 'key',
    customer: null,
    rowId: 'row',
    version: null,
    app: 'support',
    actor: null,
    occurredAt: new Date(1_000),
    data: { n: 1 },
    previous: {},
    trace: null,
    isReplay: true,
  });
  expect(Object.getPrototypeOf(event)).toBe(Object.prototype);
});
