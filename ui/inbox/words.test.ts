import { expect, test } from 'vitest';
import type { Notice } from './calls.ts';
import { placeOf } from './places.ts';
import { readInboxSearch } from './search.ts';
import { sayAbout, sayNotice } from './words.ts';

const notice = (part: Partial<Notice>): Notice => ({
  id: 'n',
  kind: 'mention',
  is_reminder: false,
  record: 'activity',
  record_id: 'a',
  app: 'foundation',
  is_readable: true,
  name: null,
  text: null,
  mentions: [],
  customer: { id: 'c', name: 'Nora' },
  actor: { id: 'tom', name: 'Tom' },
  at: '',
  read_at: null,
  done_at: null,
  ...part,
});

test('a notice says who did what, and what it is about with the names of now', () => {
  const mentioned = notice({ text: '<@maya> please', mentions: [{ id: 'maya', name: 'Maya' }] });
  expect([sayNotice(mentioned), sayAbout(mentioned)]).toEqual([
    'Tom mentioned you in the timeline',
    '@Maya please · Nora',
  ]);
  const company = notice({ kind: 'assignment', record: 'company', record_id: 'c', name: 'Fjordlight', customer: null });
  expect([sayNotice(company), sayAbout(company)]).toEqual(['Tom made you the owner of Fjordlight', '']);
  expect(placeOf(company, { own: 'support', apps: { foundation: 'https://crm.example' } })).toBe(
    'https://crm.example/companies/c',
  );
  const onCompany = notice({ ...company, kind: 'mention', text: 'Ask them' });
  expect([sayNotice(onCompany), sayAbout(onCompany)]).toEqual(['Tom mentioned you on Fjordlight', 'Ask them']);
  const deal = notice({ kind: 'assignment', record: 'deal', name: 'Renewal' });
  expect([sayNotice(deal), sayAbout(deal)]).toEqual(['Tom gave you a deal', 'Renewal · Nora']);
  expect(sayNotice(notice({ kind: 'assignment', record: 'customer', actor: null }))).toBe(
    'Somebody made you the manager of Nora',
  );
});

test('of what the reader may not know a notice says nothing, and leads nowhere, also if its customer is gone', () => {
  const hidden = notice({ kind: 'handover', record: 'session', app: 'support', customer: null, is_readable: false });
  expect([sayNotice(hidden), sayAbout(hidden)]).toEqual(['Tom handed you a conversation', '']);
  expect(placeOf(hidden, { own: 'support', apps: {} })).toBeUndefined();
  expect(placeOf(notice({ customer: null }), { own: 'foundation', apps: {} })).toBeUndefined();
});

test('a notice leads to its record, in the other app if it is there and its address is known', () => {
  const chat = notice({ record: 'session', record_id: 's', app: 'support' });
  expect(placeOf(chat, { own: 'support', apps: {} })).toBe('/sessions/s');
  expect(placeOf(chat, { own: 'foundation', apps: { support: 'https://help.example' } })).toBe(
    'https://help.example/sessions/s',
  );
  expect(placeOf(chat, { own: 'foundation', apps: {} })).toBeUndefined();
  expect(placeOf(notice({}), { own: 'foundation', apps: {} })).toBe('/customers/c');
});

test('unknown values of the address are left out', () => {
  expect(readInboxSearch({ kind: 'task', state: 'done' })).toEqual({ kind: 'task', state: 'done' });
  expect(readInboxSearch({ kind: 'gossip', state: 'open', more: 1 })).toEqual({});
});
