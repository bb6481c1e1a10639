/** What a customer's record keeps. */
const recorded = /^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}$/;

/**
 * A language tag as BCP 47 writes it, such as pt-BR, without its extensions: they say of calendars and numerals. Pure.
 *
 * @returns undefined if it is none, or has more parts than a record keeps
 */
export function canonicalLanguage(tag: string): string | undefined {
  try {
    const { baseName } = new Intl.Locale(tag);
    return recorded.test(baseName) ? baseName : undefined;
  } catch {
    return undefined;
  }
}
