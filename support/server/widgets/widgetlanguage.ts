import type { WidgetLanguage, WidgetSettings } from './widgetsettings.ts';

/** What is known of the language that a visitor reads: what the host page says, and the browser's languages, the preferred one first. */
export type Reads = { page?: string | undefined; browser?: readonly string[] | undefined };

/**
 * The language in which a widget is shown: that of the host page, if the widget has it; otherwise, if it is set so, the first of the
 * browser's languages that the widget has; otherwise the widget's own. `pt-BR` finds `pt`. Pure.
 */
export function chooseLanguage(
  { language, languages, choice }: Pick<WidgetSettings, 'language' | 'languages' | 'choice'>,
  { page, browser = [] }: Reads,
): WidgetLanguage {
  const had: readonly WidgetLanguage[] = [language, ...languages];
  const wished = [...(page === undefined ? [] : [page]), ...(choice === 'browser' ? browser : [])];
  for (const wish of wished) {
    const main = wish.split('-')[0]?.toLowerCase();
    const found = had.find((each) => each === main);
    if (found) return found;
  }
  return language;
}

/** The administrator's texts in a language. For those that are not written the widget uses its own words of that language. Pure. */
export const textsIn = (settings: WidgetSettings, language: WidgetLanguage): WidgetSettings['texts'] =>
  language === settings.language ? settings.texts : (settings.translations[language] ?? {});
