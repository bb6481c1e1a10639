import { foldedWordsOf } from '@aether/platform';
import type { Choice } from '../conversations/messages.ts';
import { isOpenAt, type OfficeHours } from '../widgets/officehours.ts';
import type { WidgetLanguage } from '../widgets/widgetsettings.ts';

/** The rules of a chatbot, as an administrator wrote them. */
export type BotRules = {
  /** The greeting, above the questions. */
  greeting: string | null;
  questions: Question[];
  /** The reply when the bot does not understand. */
  fallback: string;
  /** After so many of those in a row the bot hands over. */
  fallbacks_max: number;
  hand_over_text: string;
  /** When people answer; null means always. */
  office_hours: OfficeHours | null;
  /** In place of `hand_over_text` when nobody is in the office. */
  out_of_hours_text: string;
  /** What it says in other languages, by language: see translations.ts. */
  translations?: BotTranslations | undefined;
};

export type BotTranslations = { [Language in WidgetLanguage]?: BotTranslation | undefined };

/** What is not translated is said as it is written in the rules. Questions by their ids. */
export type BotTranslation = {
  greeting?: string | undefined;
  fallback?: string | undefined;
  hand_over_text?: string | undefined;
  out_of_hours_text?: string | undefined;
  questions?:
    | Record<string, { label?: string | undefined; answer?: string | undefined; keywords?: string[] | undefined }>
    | undefined;
};

/** `hand_over`: a person takes over after the answer. */
export type Question = { id: string; label: string; keywords: string[]; answer: string; hand_over: boolean };

/** A message as the bot sees it; `question_id` when a question was picked. */
export type Said = { author: 'visitor' | 'bot'; body: string; question_id?: string };

export type BotReply = { body: string; choices: Choice[] | null };
export type BotTurn = { replies: BotReply[]; handler: 'bot' | 'agent' };

const choicesOf = (rules: BotRules): Choice[] | null =>
  rules.questions.length === 0 ? null : rules.questions.map(({ id, label }) => ({ id, label }));

/** The bot's greeting before any question. */
export function greet(rules: BotRules): BotReply[] {
  return rules.greeting === null ? [] : [{ body: rules.greeting, choices: choicesOf(rules) }];
}

/**
 * The bot's answer to the last message of a conversation. The same conversation at the same moment has the same answer.
 *
 * @param conversation in order; the last message is the visitor's.
 */
export function answer(rules: BotRules, conversation: Said[], at: Date): BotTurn {
  const last = conversation.at(-1);
  if (last?.author !== 'visitor') return { replies: [], handler: 'bot' };
  const question = findQuestion(rules.questions, last);
  if (question) {
    const said = { body: question.answer, choices: null };
    return question.hand_over ? handOver(rules, at, [said]) : { replies: [said], handler: 'bot' };
  }
  if (countFallbacks(rules, conversation) + 1 > rules.fallbacks_max) return handOver(rules, at);
  return { replies: [{ body: rules.fallback, choices: choicesOf(rules) }], handler: 'bot' };
}

/** The bot's last words: a person takes over, now or when the office opens. */
export function handOver(rules: BotRules, at: Date, before: BotReply[] = []): BotTurn {
  const isOpen = rules.office_hours === null || isOpenAt(rules.office_hours, at);
  const body = isOpen ? rules.hand_over_text : rules.out_of_hours_text;
  return { replies: [...before, { body, choices: null }], handler: 'agent' };
}

/** The picked question; otherwise the one whose keywords cover the most letters of the message, the first of equals. */
function findQuestion(questions: Question[], { body, question_id }: Said): Question | undefined {
  const picked = questions.find(({ id, label }) => id === question_id && label === body);
  if (picked) return picked;
  const said = formsOf(body);
  let best: { question: Question; letters: number } | undefined;
  for (const question of questions) {
    const letters = question.keywords
      .map((keyword) => formsOf(keyword).find((form) => said.some((words) => words.includes(form))) ?? '')
      .reduce((sum, keyword) => sum + keyword.replaceAll(' ', '').length, 0);
    if (letters > (best?.letters ?? 0)) best = { question, letters };
  }
  return best?.question;
}

/**
 * The folded words of a text with a space around each, so that a keyword is found only as whole words. An apostrophe separates words, as in
 * l’article, or belongs to one, as in don’t: both readings count.
 */
const formsOf = (text: string): string[] =>
  [text.replace(/\p{P}/gu, ' '), text]
    .map((each) => foldedWordsOf(each).join(' '))
    .filter((words) => words !== '')
    .map((words) => ` ${words} `);

/** How often in a row, before the last message, the bot did not understand. */
function countFallbacks(rules: BotRules, conversation: Said[]): number {
  const answers = conversation.slice(0, -1).filter(({ author }) => author === 'bot');
  const understood = answers.findLastIndex(({ body }) => body !== rules.fallback);
  return answers.length - 1 - understood;
}
