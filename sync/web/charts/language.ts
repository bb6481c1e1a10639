/**
 * The language of this browser as a number format takes it. A browser without a locale, such as the one of a wall display, has the language
 * `en-US@posix`, which is no language tag.
 */
export function languageOf(written: string): string {
  const candidates = [written, written.split(/[@._]/)[0] ?? ''];
  return candidates.find(isTag) ?? 'en';
}

function isTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text).length > 0;
  } catch {
    return false;
  }
}

/** uPlot makes a number format of `navigator.language` when it is loaded. That throws for what is no tag, and then no chart is there. */
export function mendLanguage(browser: { readonly language: string }): void {
  const language = languageOf(browser.language);
  if (language !== browser.language)
    Object.defineProperty(browser, 'language', { value: language, configurable: true });
}
