import { expect, test } from 'vitest';
import { answer, type BotRules, greet, handOver, type Said } from './bot.ts';
import { BotRulesSchema } from './chatbots.schemas.ts';

const rules: BotRules = BotRulesSchema.parse({
  greeting: 'Hello!',
  questions: [
    { id: 'delivery', label: 'Where is my parcel?', keywords: ['parcel', 'delivery'], answer: 'On its way.' },
    { id: 'refund', label: 'Money back', keywords: ['refund', 'money back', 'größe'], answer: 'Within 30 days.' },
    {
      id: 'broken',
      label: 'Broken',
      keywords: ['kırık', 'straße', 'l’échange', '故障', '配送'],
      answer: 'We are sorry.',
    },
    { id: 'quote', label: 'A quote', keywords: ['quote'], answer: 'One moment.', hand_over: true },
  ],
  fallback: 'I did not get that.',
  fallbacks_max: 1,
  hand_over_text: 'A person comes.',
  office_hours: { time_zone: 'UTC', days: { mon: [['09:00', '17:00']] } },
  out_of_hours_text: 'We open on Monday.',
});
const monday = new Date('2026-11-23T10:00:00Z');
const sunday = new Date('2026-11-22T10:00:00Z');
const ask = (body: string, before: Said[] = []): Said[] => [...before, { author: 'visitor', body }];
const saidBy = (body: string, at = monday, before: Said[] = []) => answer(rules, ask(body, before), at);

test('a bot greets with its questions, or not at all', () => {
  expect(greet(rules)).toEqual([{ body: 'Hello!', choices: rules.questions.map(({ id, label }) => ({ id, label })) }]);
  expect(greet({ ...rules, greeting: null })).toEqual([]);
});

test.each([
  ['Where is my PARCEL?', 'On its way.'],
  ['i want my money   back, please', 'Within 30 days.'],
  ['welche Grösse? Größe!', 'Within 30 days.'],
  ['a refund for my parcel, the money back', 'Within 30 days.'], // more of this question's words
  ['ÜRÜN KIRIK GELDİ', 'We are sorry.'],
  ['In der HAUPT STRASSE', 'We are sorry.'],
  ["demander L'ECHANGE", 'We are sorry.'],
  ['洗濯機が故障しました', 'We are sorry.'],
  ['请问配送时间', 'We are sorry.'],
])('the question %s gets the answer: %s', (question, said) => {
  expect(saidBy(question)).toEqual({ replies: [{ body: said, choices: null }], handler: 'bot' });
});

test('a keyword matches a whole word, not a part of one', () => {
  expect(saidBy('kırıklar').replies[0]?.body).toBe('I did not get that.');
  expect(saidBy('配達').replies[0]?.body).toBe('I did not get that.');
  expect(saidBy('I parcelled it').replies[0]?.body).toBe('I did not get that.');
});

test('a picked question is answered only if the message is its label', () => {
  const picked = (body: string) =>
    answer(rules, [{ author: 'visitor', body, question_id: 'refund' }], monday).replies[0]?.body;
  expect(picked('Money back')).toBe('Within 30 days.');
  expect(picked('Where is my parcel?')).toBe('On its way.');
});

test('a visitor who is not understood may pick a question, and the second time is handed over to a person', () => {
  const first = saidBy('gibberish');
  expect(first).toMatchObject({ handler: 'bot', replies: [{ body: 'I did not get that.' }] });
  expect(first.replies[0]?.choices).toHaveLength(4);
  const before: Said[] = [...ask('gibberish'), { author: 'bot', body: 'I did not get that.' }];
  expect(saidBy('more gibberish', monday, before)).toEqual({
    handler: 'agent',
    replies: [{ body: 'A person comes.', choices: null }],
  });
  const understoodBetween: Said[] = [...before, ...ask('parcel'), { author: 'bot', body: 'On its way.' }];
  expect(saidBy('gibberish again', monday, understoodBetween).handler).toBe('bot');
});

test('a question for people hands over after its answer, and outside office hours the bot says so', () => {
  expect(saidBy('a quote please')).toEqual({
    handler: 'agent',
    replies: [
      { body: 'One moment.', choices: null },
      { body: 'A person comes.', choices: null },
    ],
  });
  expect(saidBy('a quote please', sunday).replies.at(-1)?.body).toBe('We open on Monday.');
  expect(handOver({ ...rules, office_hours: null }, sunday).replies[0]?.body).toBe('A person comes.');
});

test('a bot does not answer itself', () => {
  expect(answer(rules, [{ author: 'bot', body: 'parcel' }], monday)).toEqual({ replies: [], handler: 'bot' });
});

test.each([
  ['two questions of one id', { questions: [rules.questions[0], rules.questions[0]] }, 'id'],
  [
    'hours that end when they begin',
    { office_hours: { time_zone: 'UTC', days: { mon: [['09:00', '09:00']] } } },
    'a whole day',
  ],
  [
    'hours that begin at the end of a day',
    { office_hours: { time_zone: 'UTC', days: { mon: [['24:00', '02:00']] } } },
    'a whole day',
  ],
  ['a placeholder, which nothing fills in', { greeting: 'Hello {{customer.name}}' }, 'placeholders'],
  ['a zone that is none', { office_hours: { time_zone: 'Mars/Base', days: {} } }, 'time zone'],
  ['a field it does not know', { jokes: true }, 'jokes'],
])('rules with %s are refused', (_, given, named) => {
  expect(BotRulesSchema.safeParse(given).error?.message).toContain(named);
});
