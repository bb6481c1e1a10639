/** A language tag as BCP 47 writes it, such as pt-BR; undefined if it is none. Pure. */
export function canonicalLanguage(tag: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}
