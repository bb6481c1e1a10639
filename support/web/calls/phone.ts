import { AsYouType, type CountryCode, getCountries, getCountryCallingCode } from 'libphonenumber-js/min';

const names = new Intl.DisplayNames(undefined, { type: 'region' });

/** `Germany +49`, by name. */
export function listCountries(): { value: string; label: string }[] {
  return getCountries()
    .map((value) => ({ value, label: `${names.of(value) ?? value} +${getCountryCallingCode(value)}` }))
    .sort((one, other) => one.label.localeCompare(other.label));
}

/** The country of the browser's language, if the language names one. */
export function guessCountry(languages: readonly string[]): string | null {
  const known = new Set<string>(getCountries());
  for (const language of languages) {
    const region = /[-_]([A-Z]{2})\b/.exec(language)?.[1];
    if (region && known.has(region)) return region;
  }
  return null;
}

/** The typed number as it is read: grouped by its country's rules; the flag is known as soon as the prefix is. */
export function readTyped(
  typed: string,
  country: string | null,
): { number: string | undefined; country: string | null } {
  const reader = new AsYouType((country as CountryCode | null) ?? undefined);
  reader.input(typed.normalize('NFKC')); // the parser does not accept a full-width +
  const number = reader.getNumber();
  return { number: number?.isPossible() ? number.number : undefined, country: reader.getCountry() ?? country };
}
