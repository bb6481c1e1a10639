/** `de-AT` → `Austrian German`. Undefined for what is no language. */
export function nameLanguage(tag: string | null): string | undefined {
  if (tag === null) return undefined;
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(tag);
  } catch {
    return undefined;
  }
}

/** What an agent is told of a visitor's language: what they read, and what the widget speaks if that is another one. Pure. */
export function sayReads({ language, widget_language }: { language: string | null; widget_language: string | null }) {
  const read = nameLanguage(language);
  const shown = nameLanguage(widget_language);
  if (!read) return undefined;
  const isOther = shown && language?.split('-')[0]?.toLowerCase() !== widget_language;
  return isOther ? `Reads ${read}; the widget speaks ${shown}` : `Reads ${read}`;
}
