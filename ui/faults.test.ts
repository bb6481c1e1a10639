import { expect, test } from 'vitest';
import { findMissing, findShown, splitRefusal } from './faults.ts';
import { describeError, nameField, Refusal, sayFault, unreachable } from './refusal.ts';

const nothing = { own: {}, isTried: false, left: new Set<string>(), refused: {}, sent: undefined, values: {} };

test('a required field is missing while it is empty, blank or null, custom fields too', () => {
  const required = { name: 'Write a name.', 'custom.colour': 'Choose a colour.' };
  expect(findMissing({ name: ' ', custom: {} }, required)).toEqual(required);
  expect(findMissing({ name: 'Ada', custom: { colour: null } }, required)).toEqual({
    'custom.colour': 'Choose a colour.',
  });
  expect(findMissing({ name: 'Ada', custom: { colour: false } }, required)).toEqual({});
  expect(findMissing({}, { amount: 'Write an amount.' })).toEqual({ amount: 'Write an amount.' });
  expect(findMissing({ amount: 0 }, { amount: 'Write an amount.' })).toEqual({});
});

test('nobody is told off before a field is left or the form is tried', () => {
  const own = { name: 'Write a name.', email: 'Write an address.' };
  expect(findShown({ ...nothing, own })).toEqual({});
  expect(findShown({ ...nothing, own, left: new Set(['email']) })).toEqual({ email: 'Write an address.' });
  expect(findShown({ ...nothing, own, isTried: true })).toEqual(own);
});

test('the server’s refusal of a field goes when its value is another, and stays for the other fields', () => {
  const refused = { domain: 'is taken', name: 'may have at most 200 characters' };
  const sent = { domain: 'a.example', name: 'A' };
  expect(findShown({ ...nothing, refused, sent, values: sent })).toEqual({
    domain: 'This is taken already: choose another.',
    name: 'At most 200 characters are possible.',
  });
  expect(Object.keys(findShown({ ...nothing, refused, sent, values: { ...sent, domain: 'b.example' } }))).toEqual([
    'name',
  ]);
});

test.each([
  ['must be a UUID: 8-4-4-4-12 hexadecimal digits', 'Choose one from the list.'],
  ['must be one of "open", "won"', 'Choose one from the list.'],
  ['is no currency of ISO 4217: choose one of GET /api/currencies, such as EUR', 'Choose one from the list.'],
  ['is required', 'This is needed.'],
  ['needs at least 1 character', 'This is needed.'],
  ['must be text', 'This is needed.'],
  ['must be a time such as 2026-01-31T12:00:00Z', 'Write a date and a time.'],
  ['must be a domain such as example.com', 'It must be a domain such as example.com.'],
  [
    'is the default pipeline: make another one the default first',
    'It is the default pipeline: make another one the default first.',
  ],
])('a form says “%s” in a sentence for people', (message, said) => expect(sayFault(message)).toBe(said));

test('a message outside of a form names the field, and never shows what only programs understand', () => {
  const refuse = (field: string, message: string) =>
    describeError(new Refusal(422, { code: 'invalid-field', detail: 'Correct it.', errors: [{ field, message }] }));
  expect(refuse('customer_id', 'must be a UUID: 8-4-4-4-12 hexadecimal digits')).toBe(
    'Customer: Choose one from the list.',
  );
  expect(refuse('domain', 'must be a domain such as example.com')).toBe('Domain must be a domain such as example.com.');
});

test('a refusal is said once: at the inputs that it is about, and otherwise below', () => {
  const refuse = (...errors: { field: string; message: string }[]) =>
    new Refusal(422, { code: 'invalid-field', detail: 'Correct it.', errors });
  const name = { field: 'name', message: 'is taken' };
  const other = { field: 'position', message: 'must differ' };
  const said = 'This is taken already: choose another.';
  expect(splitRefusal(refuse(name), ['name'])).toEqual({ atFields: { name: said }, rest: undefined });
  expect(splitRefusal(refuse(name, other), ['name'])).toEqual({
    atFields: { name: said },
    rest: 'Position must differ.',
  });
  expect(splitRefusal(refuse(), ['name'])).toEqual({ atFields: {}, rest: 'Correct it.' });
  expect(splitRefusal(null, ['name'])).toEqual({ atFields: {}, rest: undefined });
});

test('without an answer nobody is told that a change was not made', () => {
  expect(describeError(unreachable({ isSentChange: true }))).toMatch(/may be done or not/);
  expect(unreachable({ isSentChange: true }).isUncertain).toBe(true);
  expect(describeError(unreachable())).toBe('The server cannot be reached. Check the connection and try again.');
  expect(unreachable().isUncertain).toBe(false);
});

test('a field within others is called by its last name, never by its path', () => {
  const errors = [{ field: 'rules.questions[0].answer', message: 'must have no placeholders' }];
  expect(describeError(new Refusal(422, { errors }))).toBe('Answer must have no placeholders.');
  expect(nameField('settings.texts.title')).toBe('Title');
  expect(nameField('custom.favourite_colour')).toBe('Favourite colour');
  expect(nameField('allowed_origins[2]')).toBe('Allowed origins');
  expect(nameField('expected_close_on')).toBe('Expected close on');
});
