import { expect, test } from 'vitest';
import { answer, type BotRules, greet } from './bot.ts';
import { inLanguage } from './translations.ts';

const rules: BotRules = {
  greeting: 'Hello',
  questions: [
    { id: 'price', label: 'What does it cost?', keywords: ['price'], answer: 'Ten', hand_over: false },
    { id: 'place', label: 'Where are you?', keywords: ['where'], answer: 'In Oslo', hand_over: false },
  ],
  fallback: 'What?',
  fallbacks_max: 2,
  hand_over_text: 'A moment',
  office_hours: null,
  out_of_hours_text: 'Nobody is here',
  translations: {
    de: {
      greeting: 'Hallo',
      fallback: 'Wie bitte?',
      questions: { price: { label: 'Was kostet es?', answer: 'Zehn', keywords: ['preis'] }, gone: { label: 'Weg' } },
    },
  },
};
const at = new Date('2026-01-05T12:00:00Z');
const say = (body: string, language: string | null, question_id?: string) =>
  answer(inLanguage(rules, language), [{ author: 'visitor', body, ...(question_id && { question_id }) }], at)
    .replies[0];

test('a chatbot says what is translated in the language of the widget, and the rest as it is written', () => {
  expect(greet(inLanguage(rules, 'de'))).toEqual([
    {
      body: 'Hallo',
      choices: [
        { id: 'price', label: 'Was kostet es?' },
        { id: 'place', label: 'Where are you?' },
      ],
    },
  ]);
  expect(say('Was kostet es?', 'de', 'price')?.body).toBe('Zehn');
  expect(say('xyz', 'de')?.body).toBe('Wie bitte?');
});

test('it understands the keywords of both languages, and of another one only its own', () => {
  expect(say('Der Preis, bitte', 'de')?.body).toBe('Zehn');
  expect(say('price please', 'de')?.body).toBe('Zehn');
  expect(say('Der Preis, bitte', 'fr')?.body).toBe('What?');
});

test('in a language without a translation, and in none, it says what is written', () => {
  for (const language of ['fr', null]) expect(inLanguage(rules, language)).toBe(rules);
});

test('a chatbot that waits for the visitor waits in every language, also where a greeting was written once', () => {
  expect(greet(inLanguage({ ...rules, greeting: null }, 'de'))).toEqual(greet({ ...rules, greeting: null }));
});
