import { expect, test } from 'vitest';
import type { Question } from '../api/records.ts';
import { findFaults, makeQuestionId, moveEntry, newRules, workingHours } from './rules.ts';

const question = (part: Partial<Question>): Question => ({
  id: 'refund',
  label: 'Refunds',
  keywords: [],
  answer: 'Within 30 days.',
  hand_over: false,
  ...part,
});

test('the initial rules of a chatbot can be saved', () => {
  expect(findFaults(newRules)).toEqual([]);
  expect(findFaults({ ...newRules, questions: [question({})], office_hours: workingHours('Europe/Oslo') })).toEqual([]);
});

test('missing parts of the rules are named, and hours may go on over midnight', () => {
  const questions = [question({ answer: ' ' }), question({ id: 'b', label: 'refunds' })];
  expect(findFaults({ ...newRules, questions })).toEqual([
    'Refunds has no answer.',
    'Two questions have the same words.',
  ]);
  const office_hours = { time_zone: 'UTC', days: { mon: [['17:00', '09:00'] as [string, string]] } };
  expect(findFaults({ ...newRules, office_hours })).toEqual([]);
  const nothing = {
    time_zone: 'UTC',
    days: {
      mon: [
        ['09:00', '09:00'],
        ['', '10:00'],
      ] as [string, string][],
    },
  };
  expect(findFaults({ ...newRules, office_hours: nothing })).toEqual([
    'Monday has hours that end when they begin.',
    'Monday has hours without a beginning or an end.',
  ]);
});

test('a question’s id comes from its label, is valid for the server, and is unique', () => {
  expect(makeQuestionId('Wo ist meine Größe?', [])).toBe('wo-ist-meine-grosse');
  expect(makeQuestionId('ÜRÜN KIRIK GELDİ', [])).toBe('urun-kirik-geldi');
  expect(makeQuestionId(`${'a'.repeat(31)} b`, [])).toBe('a'.repeat(31));
  expect(makeQuestionId('Refunds', [question({ id: 'refunds' })])).toBe('refunds-2');
  expect(makeQuestionId('日本', [])).toBe('question');
});

test('a moved entry leaves the order of the others unchanged', () => {
  expect(moveEntry(['a', 'b', 'c'], 2, 0)).toEqual(['c', 'a', 'b']);
});
