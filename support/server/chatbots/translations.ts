import type { WidgetLanguage } from '../widgets/widgetsettings.ts';
import type { BotRules } from './bot.ts';

/**
 * The rules in a language: what is translated is said in it, everything else as it is written first. Keywords of both are understood,
 * because visitors mix them. A bot without a greeting has none in any language. Pure.
 */
export function inLanguage(rules: BotRules, language: string | null): BotRules {
  const translation = language === null ? undefined : rules.translations?.[language as WidgetLanguage];
  if (!translation) return rules;
  const { questions: translated = {}, ...texts } = translation;
  return {
    ...rules,
    ...texts,
    greeting: rules.greeting && (texts.greeting ?? rules.greeting),
    questions: rules.questions.map((question) => {
      const { keywords = [], ...words } = translated[question.id] ?? {};
      return { ...question, ...words, keywords: [...question.keywords, ...keywords] };
    }),
  };
}
