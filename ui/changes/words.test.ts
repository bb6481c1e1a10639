import { expect, test } from 'vitest';
import { readChangesSearch } from './search.ts';
import { sayAbout, sayField, sayValue, sayWho, traceOf } from './words.ts';

test('a field is said in words, without the object that every setting has', () => {
  expect(sayField('settings.texts.greeting')).toBe('Texts › Greeting');
  expect(sayField('rules.questions.What does it cost?.answer')).toBe('Questions › What does it cost? › Answer');
  expect(sayField('settings.translations.de.greeting')).toBe('In other languages › German › Greeting');
  expect(sayField('probability_percent')).toBe('Probability in percent');
});

test('a value is said in words, and a missing one is nothing', () => {
  expect(sayValue('role', 'admin')).toBe('administrator');
  expect(sayValue('name', 'admin')).toBe('admin');
  expect(sayValue('settings.choice', 'browser')).toBe('as the visitor’s browser');
  expect(sayValue('is_live', true)).toBe('yes');
  expect(sayValue('x', undefined)).toBe('nothing');
});

test('a part is said with what it belongs to, and a secret without its key', () => {
  const stage = { kind: 'pipeline', name: 'Sales', part: 'stage', part_name: 'Proposal' };
  expect(sayAbout(stage)).toBe('Pipeline Sales, stage Proposal');
  expect(sayAbout({ ...stage, kind: 'widget', part: 'secret', part_name: '0199-x' })).toBe('Widget Sales, secret');
  expect(sayAbout({ ...stage, kind: 'privacy', name: null, part: null, part_name: null })).toBe('Privacy');
});

test('a change that names no person names the login when it was no app', () => {
  const none = { actor: null, actor_name: null, login: 'postgres' };
  expect(sayWho({ ...none, app: 'operator' })).toBe('the login postgres');
  expect(sayWho({ ...none, app: 'support' })).toBe('nobody who was named');
  expect(sayWho({ ...none, actor: 'command:root', app: 'operator' })).toBe('command:root');
});

test('the search of the address leaves out a key without its kind, and takes one that looks like a number', () => {
  expect(readChangesSearch({ key: '1', person: 'maya', from: 'x' })).toEqual({ person: 'maya' });
  expect(readChangesSearch({ kind: 'tag', key: 7, span: '30d' })).toEqual({ kind: 'tag', key: '7', span: '30d' });
  expect(readChangesSearch({ kind: 'a b' })).toEqual({});
});

test('a trace is shown by the part that all servers share', () => {
  expect(traceOf(`00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)).toBe('a'.repeat(32));
  expect(traceOf('import:7')).toBe('import:7');
  expect(traceOf(null)).toBeUndefined();
});
