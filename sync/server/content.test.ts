import { expect, test } from 'vitest';
import type { LoggedEvent } from '../operations/log.ts';
import { showErrorTo, showEventTo } from './content.ts';

const event = (type: string, audience: string, data: object, previous: object = {}) =>
  ({ type, audience, data, previous }) as LoggedEvent;
const [administrator, clerk] = [{ isAdministrator: true }, { isAdministrator: false }];

test('everybody sees the events of customers, and only administrators those of one app', () => {
  const shared = event('customer.updated', 'platform', { name: 'Ada' }, { name: 'A' });
  for (const person of [administrator, clerk])
    expect(showEventTo(shared, person)).toMatchObject({ data: { name: 'Ada' }, previous: { name: 'A' } });
  const deal = event('deal.updated', 'crm', { amount: '5' }, { amount: '4' });
  expect(showEventTo(deal, administrator)).toMatchObject({ data: { amount: '5' }, withheld: { audience: false } });
  expect(showEventTo(deal, clerk)).toMatchObject({ data: {}, previous: {}, withheld: { audience: true } });
});

test.each([
  ['message.created', { session_id: 's', number: 1, body: 'my password', choices: [] }, ['body', 'choices']],
  ['entry.created', { session_id: 's', kind: 'note', body: 'rude' }, ['body']],
  ['activity.updated', { type: 'note', description: 'a note', metadata: {} }, ['description', 'metadata']],
  ['call.updated', { outcome: 'reached', notes: 'a note' }, ['notes']],
])('nobody sees the text of %s, neither the new one nor the old one', (type, data, columns) => {
  const shown = showEventTo(event(type, 'support', data, data), administrator);
  expect(shown.withheld.columns).toEqual(columns);
  for (const column of columns) {
    expect(shown.data).not.toHaveProperty(column);
    expect(shown.previous).not.toHaveProperty(column);
  }
  expect(Object.keys(shown.data)).toHaveLength(Object.keys(data).length - columns.length);
});

test('only administrators see the text of an error', () => {
  expect(showErrorTo({ error: 'Error: ada@example.com' }, clerk).error).toBeNull();
  expect(showErrorTo({ error: 'Error: ada@example.com' }, administrator).error).toBe('Error: ada@example.com');
});
