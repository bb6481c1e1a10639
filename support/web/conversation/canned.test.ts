import { expect, test } from 'vitest';
import { fillIn, findCanned, nameForVisitor } from './canned.ts';

const names = { customer: { name: 'Ada Lovelace' }, agent: { name: 'Priya Nair' } };

test('a canned answer fills in known names and keeps the placeholders of unknown ones', () => {
  expect(fillIn('Hello {{customer.name}}, {{ agent.name }} here. {{order.id}}', names)).toBe(
    'Hello Ada Lovelace, Priya Nair here. {{order.id}}',
  );
});

test('a name that looks like a placeholder is not filled in again', () => {
  expect(fillIn('{{customer.name}}', { ...names, customer: { name: '{{agent.name}}' } })).toBe('{{agent.name}}');
});

test('answers whose shortcut begins with the typed letters come first', () => {
  const answer = (shortcut: string, title: string) => ({ id: shortcut, shortcut, title, body: '' });
  const all = [answer('thanks', 'Refund thanks'), answer('refund', 'How refunds work'), answer('hours', 'Hours')];
  expect(findCanned(all, 'ref').map(({ shortcut }) => shortcut)).toEqual(['refund', 'thanks']);
  expect(findCanned(all, '')).toHaveLength(3);
  const written = { ...answer('hours', 'Hours'), body: 'Open daily' };
  expect(findCanned([written], 'open-daily')).toEqual([written]);
  expect(findCanned([written], 'hours-open')).toEqual([]);
});

test.each([
  ['verified', 'Ada Lovelace', 'ada', 'Ada Lovelace'],
  ['verified', null, 'ada', 'ada'],
  ['claimed', 'Ada Lovelace', 'someone', 'someone'],
  ['claimed', 'Ada Lovelace', null, undefined],
] as const)(
  'a %s visitor with the record %s who gave the name %s is called %s',
  (identity, known, visitor_name, called) => {
    const customer = known === null ? null : { id: 'c', name: known, email: 'ada@post.example', account_tier: null };
    expect(nameForVisitor({ identity, customer, visitor_name })?.name).toBe(called);
  },
);

test('without a name the placeholder stays for the agent to see', () => {
  expect(fillIn('Hello {{customer.first_name}}', { ...names, customer: undefined })).toBe(
    'Hello {{customer.first_name}}',
  );
});
